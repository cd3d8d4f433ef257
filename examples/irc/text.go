package main

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	maxLine = 350 // bytes of text; with what servers add, a line stays under 512
	maxRows = 5   // lines of one message
)

// formatting matches the codes of IRC for colours and the like, and all other control characters.
var formatting = regexp.MustCompile(`\x03(\d{1,2}(,\d{1,2})?)?|\x04([0-9A-Fa-f]{6})?|\p{Cc}`)

// clean is s without control codes.
func clean(s string) string {
	return formatting.ReplaceAllString(strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\t", " "), "")
}

// split cuts a message into lines for IRC, each with prefix.
func split(prefix, text string) (lines []string) {
	for row := range strings.SplitSeq(text, "\n") {
		for row = clean(row); row != ""; {
			end := min(maxLine-len(prefix), len(row))
			for end < len(row) && !utf8.RuneStart(row[end]) {
				end--
			}
			if space := strings.LastIndexByte(row[:end], ' '); end < len(row) && space > 0 {
				end = space + 1
			}
			lines = append(lines, prefix+row[:end])
			row = row[end:]
		}
	}
	if more := len(lines) - maxRows; more > 0 {
		lines = append(lines[:maxRows], fmt.Sprintf("%s(and %d more lines)", prefix, more))
	}
	return lines
}
