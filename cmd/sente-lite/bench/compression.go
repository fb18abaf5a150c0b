package bench

import (
	"cmp"
	"slices"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// compression brings bundles of 100 events to the wire and back, for each packer,
// compressor and kind of event: packed, joined and compressed, expanded and unpacked. The
// floor is the compressor alone on the same bytes.
func compression(r *runner) error {
	for _, s := range r.samples() {
		for _, f := range r.forms() {
			for _, l := range r.Layers {
				if !l.Compresses {
					continue
				}
				if err := r.compress(s, f, l); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (r *runner) compress(s Sample, f pipe.Packer, l *pipe.Layer) error {
	name := s.Name + ", " + f.Name() + " " + l.Name
	coder, bad := l.New(false)
	if bad != nil {
		return r.tell(Result{Bench: r.bench, Case: name, Problem: bad.Msg})
	}
	w := &wire{packer: f, coder: coder, events: bundleOf(s.Events)}
	if err := cmp.Or(w.out(), w.in()); err != nil {
		return r.tell(Result{Bench: r.bench, Case: name, Problem: err.Error()})
	}
	// The floor has the same bundle, by a coder of its own.
	alone, bad := l.New(false)
	if bad != nil {
		return bad
	}
	bundle, packed := slices.Clone(w.bundle), slices.Clone(w.packed)
	var buf []byte
	o, err := r.measure(share, side{run: func(p *pace) error {
		for p.more(0) {
			if err := w.out(); err != nil {
				return err
			}
			if err := w.in(); err != nil {
				return err
			}
			p.more(1)
		}
		return nil
	}, abort: func() {}}, side{run: func(p *pace) error {
		for p.more(0) {
			began := time.Now()
			var err error
			if buf, err = alone.Encode(buf[:0], bundle); err != nil {
				return err
			}
			middle := time.Now()
			if buf, err = alone.Decode(buf[:0], packed, pipe.DefaultMaxMessage); err != nil {
				return err
			}
			p.note("compress-us", middle.Sub(began))
			p.note("expand-us", time.Since(middle))
			p.more(1)
		}
		return nil
	}, abort: func() {}})
	if err != nil {
		return err
	}
	res := r.result(name, byWork, o)
	there, back := o.floor.worked("compress-us"), o.floor.worked("expand-us")
	res.set("bytes", float64(len(packed)), "bundle-bytes", float64(len(bundle)), "smaller", float64(len(bundle))/float64(len(packed)),
		"compress-us", there, "expand-us", back, "mb-per-second", float64(len(bundle))/max(there, 1e-3))
	return r.tell(res)
}

// bundleOf is as many events as a bundle has: those of a sample, again if they are few.
func bundleOf(events [][]byte) (bundle [][]byte) {
	for i := range perSample {
		bundle = append(bundle, events[i%len(events)])
	}
	return bundle
}

// A wire brings one bundle from EDN to what is written, and back.
type wire struct {
	packer pipe.Packer
	coder  pipe.Coder
	events [][]byte

	items                           [][]byte
	bundle, packed, expanded, plain []byte
}

func (w *wire) out() (err error) {
	if w.items == nil {
		w.items = make([][]byte, len(w.events))
	}
	for i, e := range w.events {
		if w.items[i], err = w.packer.Pack(w.items[i][:0], e); err != nil {
			return err
		}
	}
	w.bundle = w.packer.Join(w.bundle[:0], w.items)
	w.packed, err = w.coder.Encode(w.packed[:0], w.bundle)
	return err
}

func (w *wire) in() (err error) {
	if w.expanded, err = w.coder.Decode(w.expanded[:0], w.packed, pipe.DefaultMaxMessage); err != nil {
		return err
	}
	w.plain, err = w.packer.Unpack(w.plain[:0], w.expanded, pipe.Limits{})
	return err
}
