package pipe

import "testing"

// A pong may be read before the writer of its ping has got round to noting that it
// was written.
func TestPongBeforeItsPingIsNoted(t *testing.T) {
	var p probe
	p.asked.Store(micros() - 3000)
	p.pinged.Store(-1)
	p.ponged()
	p.written()
	if at := p.pinged.Load(); at != 0 {
		t.Errorf("a ping that was answered counts as written at %d, and would end the link", at)
	}
	if rtt := p.rtt.Load(); rtt < 3000 {
		t.Errorf("the round trip took %d µs, and more than 3000 since the ping was queued", rtt)
	}
	// The usual order.
	p.pinged.Store(-1)
	p.written()
	if p.pinged.Load() <= 0 {
		t.Error("a ping that was written is not noted")
	}
	p.ponged()
	if p.pinged.Load() != 0 {
		t.Error("its answer is not noted")
	}
}
