package bench

import (
	"errors"
	"io"
	"net"
	"sync"
)

// A bareLink is two ends of a TCP connection on loopback, without anything above.
type bareLink struct {
	near net.Conn // of who measures
	far  net.Conn
}

// A bareNet is some of them, and who serves their far ends.
type bareNet struct {
	links  []bareLink
	served sync.WaitGroup
}

func newBareNet(n int) (*bareNet, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	b := &bareNet{}
	for range n {
		near, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.close()
			return nil, err
		}
		far, err := l.Accept()
		if err != nil {
			near.Close()
			b.close()
			return nil, err
		}
		b.links = append(b.links, bareLink{near, far})
	}
	return b, nil
}

// echo makes the far ends send back whatever has come.
func (b *bareNet) echo() {
	for _, l := range b.links {
		b.served.Go(func() {
			buf := make([]byte, 64<<10)
			for {
				n, err := l.far.Read(buf)
				if err != nil {
					return
				}
				if _, err := l.far.Write(buf[:n]); err != nil {
					return
				}
			}
		})
	}
}

// take makes the far ends read, and report each message of a size.
func (b *bareNet) take(size int, heard func(i, n int, err error)) {
	for i, l := range b.links {
		b.served.Go(func() { takeAll(l.far, size, func(n int, err error) { heard(i, n, err) }) })
	}
}

// takeAll reads messages of a size until the end, and reports how many are complete.
func takeAll(from io.Reader, size int, heard func(n int, err error)) {
	buf := make([]byte, 64<<10)
	for held := 0; ; {
		n, err := from.Read(buf)
		if held += n; held >= size {
			heard(held/size, nil)
			held %= size
		}
		if err != nil {
			heard(0, err)
			return
		}
	}
}

func (b *bareNet) abort() {
	for _, l := range b.links {
		l.near.Close()
		l.far.Close()
	}
}

func (b *bareNet) close() {
	b.abort()
	b.served.Wait()
}

// exchange sends a message over a bare link and reads as many bytes back.
func exchange(c net.Conn, message, back []byte) error {
	if _, err := c.Write(message); err != nil {
		return err
	}
	_, err := io.ReadFull(c, back)
	return err
}

// together runs n things at once and returns what has failed.
func together(n int, do func(i int) error) error {
	var all sync.WaitGroup
	bad := make([]error, n)
	for i := range n {
		all.Go(func() { bad[i] = do(i) })
	}
	all.Wait()
	return errors.Join(bad...)
}
