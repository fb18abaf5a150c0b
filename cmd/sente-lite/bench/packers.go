package bench

import (
	"slices"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// share is the part of a measurement's time that each kind of event gets, where there is
// a result for each.
const share = 4

// forms are the packers, EDN too.
func (r *runner) forms() []pipe.Packer { return append([]pipe.Packer{pipe.EDN}, r.Packers...) }

// packers packs events and unpacks them, for each packer and kind of event. The floor is
// one scan of the EDN, which everything that comes in gets.
func packers(r *runner) error {
	for _, s := range r.samples() {
		for _, f := range r.forms() {
			if err := r.packer(s, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *runner) packer(s Sample, f pipe.Packer) error {
	name := s.Name + ", " + f.Name()
	// A few events are packed again and again between two looks at the clock.
	events := slices.Repeat(s.Events, (perSample+len(s.Events)-1)/len(s.Events))
	packed := make([][]byte, len(events))
	for i, e := range events {
		var err error
		if packed[i], err = f.Pack(nil, e); err == nil {
			_, err = f.Unpack(nil, packed[i], pipe.Limits{})
		}
		if err != nil {
			return r.tell(Result{Bench: r.bench, Case: name, Problem: err.Error()})
		}
	}
	var buf []byte
	o, err := r.measure(share, side{run: func(p *pace) error {
		for p.more(0) {
			began := time.Now()
			var err error
			for _, e := range events {
				if buf, err = f.Pack(buf[:0], e); err != nil {
					return err
				}
			}
			middle := time.Now()
			for _, b := range packed {
				if buf, err = f.Unpack(buf[:0], b, pipe.Limits{}); err != nil {
					return err
				}
			}
			p.note("pack-us", middle.Sub(began))
			p.note("unpack-us", time.Since(middle))
			p.more(len(events))
		}
		return nil
	}, abort: func() {}}, scan(events))
	if err != nil {
		return err
	}
	res := r.result(name, byWork, o)
	edn, wire := bytesOf(events), bytesOf(packed)
	n := float64(len(events))
	res.set("bytes", float64(wire)/n, "edn-bytes", float64(edn)/n, "of-edn", float64(wire)/float64(edn),
		"pack-us", o.ours.worked("pack-us"), "unpack-us", o.ours.worked("unpack-us"))
	return r.tell(res)
}

// scan is the floor: each event is checked once.
func scan(events [][]byte) side {
	return side{run: func(p *pace) error {
		for p.more(0) {
			for _, e := range events {
				if _, err := pipe.Check(e, pipe.Limits{}); err != nil {
					return err
				}
			}
			p.more(len(events))
		}
		return nil
	}, abort: func() {}}
}
