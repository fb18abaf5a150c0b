package pipe

// Hello is what a peer asks for: a stream's first value, or the query of a
// WebSocket's upgrade (contract section 2). Every field may be left out.
type Hello struct {
	Packer   string // "edn" where empty
	Gzip     bool
	Bundle   bool
	Credit   int // 0: none
	Ping     bool
	Recover  bool
	Session  string // the session to come back to
	Seen     uint64 // the highest item received in it
	Handler  *bool  // nil: the parent is, others are not
	Auth     string // a token
	ClientID string // an upgrade's; a secret of that client, made up where empty
	Config   []byte // the text of an EDN map; the parent's only

	// Ours is set for clients that know calls, close codes and all of the
	// contract: all streams, and WebSockets with v=1. The original sente_lite
	// clients are not.
	Ours bool
}
