package pipe

import (
	"context"
	"errors"
	"fmt"
)

// A Message is one packed value, as a Conn takes it from the other side or
// brings it there.
type Message struct {
	Data []byte
	Text bool // valid UTF-8 that may travel in a text frame; a Conn that says so has checked it

	plain bool // EDN from before anything else was agreed on: no layer goes around it
}

// A Conn carries whole messages in both directions, whatever is below it.
//
// One goroutine reads. Write and Flush are called by one goroutine at a time,
// not always the same one and never together; Close may be called from any,
// any number of times, and unblocks the others.
type Conn interface {
	// Read returns the next message. Its Data is valid until the next Read:
	// whoever keeps it copies it.
	//
	// Before Read asks the transport for more bytes, and so before it may wait,
	// it calls idle, which may be nil. The caller puts off flushing what it has
	// queued until then: that is what joins frames, and nothing is held back
	// while a torn message waits for its rest. idle is called by the reading
	// goroutine, never inside a Write, and does not wait. Where it returns false
	// Read does not wait either, but returns ErrIdle at once: the next Read goes
	// on, from another goroutine perhaps.
	//
	// An *Error means that one message could not be read and that reading may
	// go on; io.EOF is a clean end, io.ErrUnexpectedEOF an end inside a
	// message; any other error has ended the Conn, a Closed by a close code.
	Read(idle func() (wait bool)) (Message, error)

	// Write frames the messages, in order, behind whatever is still unwritten
	// and tries once to write it all. It never waits for the other side. It
	// reports whether everything has left; if not, Flush does the rest. The
	// messages may be changed by their owner once Write has returned.
	Write(batch []Message) (flushed bool, err error)

	// Flush waits until everything that Write took has been written. It fails
	// if the other side takes nothing for the Conn's write timeout.
	Flush() error

	// Limit sets what a message may be from the next Read on.
	Limit(Limits)

	// Speak sets the form of what the Conn itself says: its last message, where
	// the transport has one. It is EDN until then. in returns that form of EDN text,
	// or nil where it has none, and is called by any goroutine, once at the most.
	Speak(in func(edn []byte) []byte)

	// Close says why, as far as the transport can, without waiting for a side
	// that does not listen, and ends both directions.
	Close(Reason) error

	Info() ConnInfo
}

// ErrIdle is the error of a Read that was not to wait. It ends nothing.
var ErrIdle = errors.New("pipe: nothing more to read for now")

// A Listener makes Conns. Accept returns net.ErrClosed after Close.
type Listener interface {
	Accept(ctx context.Context) (Conn, error)
	Addr() string // as a URL, with the real port
	Close() error
}

// Limits bound what one message may be. The zero value has the defaults.
type Limits struct {
	Bytes int // of a message, 0 for 16777215
	Depth int // of nesting, 0 for 512
}

// The contract's defaults, section 5.
const (
	DefaultMaxMessage = 1<<24 - 1
	DefaultMaxDepth   = 512
)

// OrDefault fills in the defaults.
func (l Limits) OrDefault() Limits {
	if l.Bytes <= 0 {
		l.Bytes = DefaultMaxMessage
	}
	if l.Depth <= 0 {
		l.Depth = DefaultMaxDepth
	}
	return l
}

// ConnInfo is what a transport knows about a Conn before a message has come.
type ConnInfo struct {
	Transport string // "pipe", "exec", "unix", "tcp", "ws", "mem"
	Remote    string // for logs; never with a query
	TextOnly  bool   // carries EDN text only; a stream knows after its first Read

	// Upgraded is set where the transport's own handshake has decided what a
	// stream's hello would: a WebSocket's. We speak first there, and greet with
	// :chsk/handshake.
	Upgraded *Hello

	// Who the other side is, where the transport knows: Parent on stdin and
	// stdout, SameUser from a Unix socket's peer credentials, Claim from a
	// token that came with an upgrade.
	Parent   bool
	SameUser bool
	UserID   int // of a Unix peer, for its uid
	Claim    *Claim

	// Present is set where the other side is a peer before it has said anything,
	// by its Claim: we have started it. Its first value is its hello all the same,
	// and answered by ready; a token in it counts for nothing. With Quiet nothing
	// can be written before that value: what is sent to it waits.
	Present bool
	Quiet   bool
	// Form, if set, is the only form that a Present side knows. It carries events
	// alone, each as it can: no hello, no ready, no answer of the link's own.
	Form Packer
	// User, if set, is the uid whose peers get what a Present side says and no
	// module takes, as if the handler had sent it.
	User string

	// Stranger is set for those who may hold little before their hello.
	Stranger bool
	// Heartbeat is set where silence must be probed: WebSocket and TCP.
	Heartbeat bool
	// Refused, if set, closes the Conn right after it was accepted, so that a
	// page learns why.
	Refused *Reason
}

// A Claim is who a token says its bearer is.
type Claim struct {
	UID  string // "" for one of the sidecar's making
	Role Role   // "" for RoleClient

	token [32]byte // its SHA-256: a session is resumed with the token that began it
}

// Role decides what a peer may ask for.
type Role string

const (
	RoleOwner  Role = "owner"
	RoleClient Role = "client"
)

// A Reason ends a Conn. Codes are those of WebSocket and contract section 6:
// 4000–4499 come back, 4500–4999 do not.
type Reason struct {
	Code uint16
	Text string
}

// Close codes, contract section 6.
const (
	CloseNormal       = 1000
	CloseShutdown     = 1001
	CloseNoStatus     = 1005 // never sent
	CloseLost         = 1006 // never sent
	CloseInvalidText  = 1007
	ClosePingTimeout  = 4000
	CloseOverloaded   = 4001
	CloseDraining     = 4002
	CloseReplaced     = 4500
	CloseUnauthorized = 4501
	CloseTokenExpired = 4502
	CloseOrigin       = 4503
	CloseKicked       = 4504
	CloseProtocol     = 4505
	CloseVersion      = 4506
	CloseTooLarge     = 4507
	CloseCredit       = 4508
)

// Closed is the error of a Conn that was closed for a Reason: by the other
// side's close frame, or by us because of what it sent.
type Closed struct {
	Reason
	Remote bool // the other side said so
}

func (c Closed) Error() string {
	by := "closed"
	if c.Remote {
		by = "closed by the peer"
	}
	return fmt.Sprintf("%s: %d %s", by, c.Code, c.Text)
}

// A Budget is memory that many share: queues and partial messages of all peers.
type Budget interface {
	Take(bytes int) bool // false: there is not that much left; nothing was taken
	Give(bytes int)
}
