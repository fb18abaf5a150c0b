package pipe

import (
	"bytes"
	"sync"
)

// A sheet is memory that the events of a turn are rendered into, one behind the other:
// an allocation for many of them. Whoever reads has one while a turn lasts, and hands
// what is left on to the next.
//
// What has one event's bytes has the whole sheet's, so an event that may wait is given
// bytes of its own (packet.own): only what leaves at the end of the turn, or of its
// window, stays where it is. And what is large has a memory of its own anyway.
type sheet struct{ free []byte }

const (
	sheetBytes = 16 << 10
	sheetMost  = 2 << 10 // bytes of an event
)

var sheets = sync.Pool{New: func() any { return new(sheet) }}

// room returns an empty slice that has room for an event of n bytes, and whether it is
// part of a sheet.
func (l *link) room(n int) (b []byte, lent bool) {
	if n > sheetMost {
		return make([]byte, 0, n), false
	}
	if l.sheet == nil {
		l.sheet = sheets.Get().(*sheet)
	}
	sh := l.sheet
	if len(sh.free) < n {
		sh.free = make([]byte, sheetBytes)
	}
	b, sh.free = sh.free[:0:n], sh.free[n:]
	return b, true
}

// endSheet ends the turn.
func (l *link) endSheet() {
	if l.sheet != nil {
		sheets.Put(l.sheet)
		l.sheet = nil
	}
}

// own gives the packet bytes of its own.
func (p *packet) own() {
	if p.lent {
		p.edn, p.lent = bytes.Clone(p.edn), false
	}
}
