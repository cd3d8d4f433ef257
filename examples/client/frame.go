package client

// Frame has the fields of docs/protocol.md that the examples need, either way.
type Frame struct {
	CMD    string   `json:"CMD"`
	Type   string   `json:"TYPE,omitempty"`
	Of     string   `json:"OF,omitempty"`
	Ref    string   `json:"REF,omitempty"`
	UID    string   `json:"UID,omitempty"`
	Since  string   `json:"SINCE,omitempty"`
	ID     string   `json:"ID,omitempty"`
	IDs    []string `json:"IDS,omitempty"`
	At     string   `json:"AT,omitempty"`
	From   string   `json:"FROM,omitempty"`
	To     []string `json:"TO,omitempty"`
	Msg    string   `json:"MSG,omitempty"`
	Kind   string   `json:"KIND,omitempty"`
	Replay bool     `json:"REPLAY,omitempty"`
	Status string   `json:"STATUS,omitempty"`
	Code   string   `json:"CODE,omitempty"`
	Reason string   `json:"REASON,omitempty"`
}

// Direct reports whether f is a message to one person or to several, not to everyone.
func (f Frame) Direct() bool { return f.CMD == "MSG" && f.Type != "ALL" }
