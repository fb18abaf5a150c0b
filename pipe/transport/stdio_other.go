//go:build !unix

package transport

import (
	"errors"
	"os"
	"time"
)

// takeStdio reads and writes the files as they are. Nothing can interrupt a read
// from a console here: it ends with the process.
func takeStdio(_, _ int) (link, error) {
	h := &stdHandle{in: os.Stdin, out: os.Stdout}
	return &netLink{h: h}, nil
}

func newFileLink(in, out *os.File) (link, error) {
	return &netLink{h: &stdHandle{in: in, out: out}}, nil
}

type stdHandle struct{ in, out *os.File }

func (h *stdHandle) Read(p []byte) (int, error)  { return h.in.Read(p) }
func (h *stdHandle) Write(p []byte) (int, error) { return h.out.Write(p) }
func (h *stdHandle) Close() error                { return errors.Join(h.out.Close(), h.in.Close()) }
func (h *stdHandle) CloseWrite() error           { return h.out.Close() }

func (h *stdHandle) SetReadDeadline(t time.Time) error  { return optional(h.in.SetReadDeadline(t)) }
func (h *stdHandle) SetWriteDeadline(t time.Time) error { return optional(h.out.SetWriteDeadline(t)) }

func optional(err error) error {
	if errors.Is(err, os.ErrNoDeadline) {
		return nil
	}
	return err
}
