package pack

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"
)

// A nameSet finds keys that come twice in one map, for all maps that are open
// at a time: each has the names from its own mark on. It keeps no copies, but
// places in the text being written.
type nameSet struct {
	seed maphash.Seed
	all  []name
}

type name struct {
	hash     uint64
	from, to uint32 // in the text being written
	at       uint32 // in the text being read, for the error
}

func newNameSet() nameSet { return nameSet{seed: maphash.MakeSeed()} }

// Add notes the name text[from:], which was read at a place.
func (s *nameSet) add(text []byte, from, at int) {
	s.all = append(s.all, name{maphash.Bytes(s.seed, text[from:]), uint32(from), uint32(len(text)), uint32(at)})
}

// Close forgets the names from the mark on. If one came twice, it returns it
// with the place where the later one was read.
func (s *nameSet) close(text []byte, mark int) (twice []byte, at int) {
	names := s.all[mark:]
	s.all = s.all[:mark]
	if len(names) <= 8 {
		for i, a := range names {
			for _, b := range names[:i] {
				if a.hash == b.hash && bytes.Equal(text[a.from:a.to], text[b.from:b.to]) {
					return text[a.from:a.to], int(a.at)
				}
			}
		}
		return nil, 0
	}
	slices.SortFunc(names, func(a, b name) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash),
			bytes.Compare(text[a.from:a.to], text[b.from:b.to]),
			cmp.Compare(a.at, b.at))
	})
	for i := 1; i < len(names); i++ {
		a, b := names[i-1], names[i]
		if a.hash == b.hash && bytes.Equal(text[a.from:a.to], text[b.from:b.to]) {
			return text[b.from:b.to], int(b.at)
		}
	}
	return nil, 0
}
