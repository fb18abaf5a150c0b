package child

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// Bounds of what a program says on stderr. What is beyond them is read, counted
// and left out; who says even more is read more slowly.
const (
	maxErrorLine  = 2048    // bytes of a line; the rest is left out
	maxErrorLines = 100     // logged in a second
	maxErrorBytes = 4 << 20 // read in a second
	lastWords     = 20      // lines that are kept
)

// A stderr brings what a program says there into our log, and keeps the end of it.
type stderr struct {
	log   *slog.Logger  // with the program's name
	hurry chan struct{} // closed once the process has ended
	ended chan struct{}

	mu   sync.Mutex
	last []string
}

// read reads until the pipe ends. It owns f.
func (s *stderr) read(f *os.File) {
	defer close(s.ended)
	defer f.Close()
	var (
		line        []byte
		cut         bool // more of the line has come than is kept
		left        int  // out of this second
		logged, got int  // in this second
		second      = time.Now()
		buf         = make([]byte, 16<<10)
	)
	turn := func() {
		if left > 0 {
			s.log.Warn("more stderr was left out", "lines", left)
		}
		left, logged, got, second = 0, 0, 0, time.Now()
	}
	end := func() {
		if len(line) == 0 && !cut {
			return
		}
		text := strings.TrimRight(strings.ToValidUTF8(string(line), "\uFFFD"), "\r")
		if cut {
			text += "…"
		}
		line, cut = line[:0], false
		s.keep(text)
		if time.Since(second) >= time.Second {
			turn()
		}
		if logged++; logged > maxErrorLines {
			left++
			return
		}
		s.log.LogAttrs(context.Background(), slog.LevelInfo, text)
	}
	for {
		n, err := f.Read(buf)
		for rest := buf[:n]; len(rest) > 0; {
			part, ended := rest, false
			if i := bytes.IndexByte(rest, '\n'); i >= 0 {
				part, rest, ended = rest[:i], rest[i+1:], true
			} else {
				rest = nil
			}
			room := min(len(part), maxErrorLine-len(line))
			line = append(line, part[:room]...)
			cut = cut || room < len(part)
			if ended {
				end()
			}
		}
		if err != nil {
			end()
			turn()
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
				s.log.Debug("stderr cannot be read", "error", err)
			}
			return
		}
		if got += n; got > maxErrorBytes {
			if pause := time.Second - time.Since(second); pause > 0 {
				select {
				case <-time.After(pause):
				case <-s.hurry:
				}
			}
			turn()
		}
	}
}

func (s *stderr) keep(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.last) == lastWords {
		copy(s.last, s.last[1:])
		s.last = s.last[:lastWords-1]
	}
	s.last = append(s.last, line)
}

// words returns the last lines.
func (s *stderr) words() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.last...)
}
