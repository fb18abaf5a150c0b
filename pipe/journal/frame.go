package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A file's first bytes: what it is, the version, a checksum of both. They are the
// same in all versions.
const (
	headSize = 16
	version  = 1
)

const (
	logMagic   = "sente-lg"
	spillMagic = "sente-sp"
)

// A frame's first bytes: the payload's length, its checksum, and one of these
// eight bytes. Little endian, as everything here.
const frameSize = 12

// maxFrame bounds a frame's payload.
const maxFrame = 512 << 20

// table is made when it is first needed: most sidecars keep no journal.
func table() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func appendHead(dst []byte, magic string) []byte {
	at := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint32(dst, version)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], table()))
}

// versionError is a file's that another version of the program has written.
type versionError struct{ found uint32 }

func (e *versionError) Error() string {
	return fmt.Sprintf("its format has version %d; this program knows version %d", e.found, version)
}

// errDamaged is in every error of what is not as it was written, errTorn in that
// of a file that ends too early.
var (
	errDamaged = errors.New("damaged")
	errTorn    = errors.New("the end is missing")
)

func checkHead(b []byte, magic string) error {
	switch {
	case len(b) < headSize:
		return fmt.Errorf("%w: %d bytes instead of the first %d", errDamaged, len(b), headSize)
	case string(b[:8]) != magic:
		return fmt.Errorf("%w: it starts with %q instead of %q", errDamaged, b[:8], magic)
	case binary.LittleEndian.Uint32(b[12:]) != crc32.Checksum(b[:12], table()):
		return fmt.Errorf("%w: the checksum of the first %d bytes is wrong", errDamaged, headSize)
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != version {
		return &versionError{v}
	}
	return nil
}

// closeFrame fills in the first bytes of a frame that was left room for them.
func closeFrame(f []byte) {
	binary.LittleEndian.PutUint32(f, uint32(len(f)-frameSize))
	binary.LittleEndian.PutUint32(f[4:], crc32.Checksum(f[frameSize:], table()))
	binary.LittleEndian.PutUint32(f[8:], crc32.Checksum(f[:8], table()))
}

// frameLength reads a frame's first bytes, of which there are left in the file,
// these included, and returns the length of all of it.
func frameLength(b []byte, left int64) (int64, error) {
	if left < frameSize || len(b) < frameSize {
		return 0, errTorn
	}
	if binary.LittleEndian.Uint32(b[8:]) != crc32.Checksum(b[:8], table()) {
		return 0, fmt.Errorf("%w: the checksum of a frame's length is wrong", errDamaged)
	}
	n := int64(binary.LittleEndian.Uint32(b))
	if n > maxFrame {
		return 0, fmt.Errorf("%w: a frame of %d bytes, at most %d are allowed", errDamaged, n, maxFrame)
	}
	if n += frameSize; n > left {
		return 0, errTorn
	}
	return n, nil
}

// openFrame returns the payload of a whole frame.
func openFrame(f []byte) ([]byte, error) {
	if binary.LittleEndian.Uint32(f[4:]) != crc32.Checksum(f[frameSize:], table()) {
		return nil, fmt.Errorf("%w: a frame's checksum is wrong", errDamaged)
	}
	return f[frameSize:], nil
}
