//go:build !unix && !windows

package journal

import (
	"io"
	"os"
)

// lockFile makes a file that must not exist. What a process leaves that was
// killed has to be removed by hand.
func lockFile(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if os.IsExist(err) {
		return nil, &lockedError{}
	}
	if err != nil {
		return nil, err
	}
	return removing{f}, nil
}

type removing struct{ *os.File }

func (r removing) Close() error {
	_ = r.File.Close()
	return os.Remove(r.Name())
}
