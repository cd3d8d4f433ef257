package test

import (
	"strings"
	"time"
)

// seesOneOf waits until one of texts is shown, and says which came first.
func (p *person) seesOneOf(texts ...string) int {
	p.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		first, behind, news := p.findOneOf(texts)
		if first >= 0 {
			p.from = behind
			return first
		}
		select {
		case <-news:
		case <-late.C:
			p.t.Fatalf("%s sees none of %q; all of it: %q", p.name, texts, p.all())
		}
	}
}

// meets waits until nick is here, the only other one, who may have come before p.
func (p *person) meets(nick string) {
	p.t.Helper()
	p.seesOneOf(nick+" joined", nick+" is here")
}

func (p *person) findOneOf(texts []string) (first, behind int, news <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first, at := -1, len(p.seen)
	for n, text := range texts {
		if i := strings.Index(p.seen[p.from:], text); i >= 0 && p.from+i < at {
			first, at, behind = n, p.from+i, p.from+i+len(text)
		}
	}
	return first, behind, p.news
}

// comesTo waits until text was shown behind *from, and moves *from behind it. It is
// false when the client ends first. It may be called on any goroutine.
func (p *person) comesTo(text string, from *int) bool {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		p.mu.Lock()
		i, news := strings.Index(p.seen[*from:], text), p.news
		p.mu.Unlock()
		if i >= 0 {
			*from += i + len(text)
			return true
		}
		select {
		case <-news:
		case <-p.done:
			return false
		case <-late.C:
			return false
		}
	}
}
