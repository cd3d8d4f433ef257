package keys

import "whoelse/keys/internal/sanitize"

// clean and show make what comes from the file, or from a peer, fit to be shown: clean
// as a text of its own, show quoted inside another one.
func clean(s string) string { return sanitize.Text(s) }
func show(s string) string  { return sanitize.Quote(s) }
