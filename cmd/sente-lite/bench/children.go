package bench

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"time"

	"github.com/sente-lite/sente-lite/bridge/child"
	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// children asks a program that the hub runs, and waits for its answer. The program is
// this one, as Child. The floor asks the same program over bare pipes. What the processor
// does for it is not in :cpu-us: the child is another process.
func children(r *runner) error {
	var hub *pipe.Hub
	programs := child.New(child.Config{
		Hub:     func() *pipe.Hub { return hub },
		Options: func() transport.Options { return transport.Options{Budget: hub} },
		Environ: r.Environ,
	})
	h := newHouse(programs)
	hub = h.hub
	defer func() {
		programs.Stop(time.Second)
		h.close()
		programs.Wait()
	}()
	if _, _, bad := programs.Spawn(child.Spec{Command: []string{r.Program, childArg}, UID: "bench-child", Dialect: "frames", Restart: child.Never}); bad != nil {
		return bad
	}
	ready := settingUp(r.ctx, h.abort)
	defer ready()
	asker, err := h.memory("bench-asker", pipe.RoleOwner)
	if err != nil {
		return err
	}
	bare, err := startBare(r.ctx, r.Program, r.Environ)
	if err != nil {
		return err
	}
	defer bare.close()
	ready()

	event := r.event("ask")
	ours := text(fmt.Sprintf(`[[:sente-lite/request {:to "bench-child" :event %s}] "c"]`, event))
	answered := []byte(`[:chsk/reply "c" "`)
	theirs := fmt.Appendf(nil, `[%s "c"]`, event)
	o, err := r.measure(1, side{run: oneByOne(func() error {
		if err := asker.say(ours); err != nil {
			return err
		}
		m, err := asker.conn.Read(nil)
		if err == nil && !bytes.HasPrefix(m.Data, answered) {
			err = fmt.Errorf("the answer is %.300s", m.Data)
		}
		return err
	}), abort: h.abort}, side{run: oneByOne(func() error {
		if err := bare.write(theirs); err != nil {
			return err
		}
		m, err := bare.read()
		if err == nil && !bytes.HasPrefix(m, answered) {
			err = fmt.Errorf("the answer over bare pipes is %.300s", m)
		}
		return err
	}), abort: bare.kill})
	if err != nil {
		return err
	}
	o.cpuUS, o.floorCPU = 0, 0
	return r.tell(r.result("asked, one at a time", byTime, o, Figure{"size", float64(r.Size)}))
}

// oneByOne times one operation after the other.
func oneByOne(do func() error) func(*pace) error {
	return func(p *pace) error {
		for p.more(0) {
			began := time.Now()
			if err := do(); err != nil {
				return err
			}
			p.took(time.Since(began))
			p.more(1)
		}
		return nil
	}
}

// A bareChild is the program with its parent at the other ends of its pipes.
type bareChild struct {
	*framer
	cmd *exec.Cmd
	end func() error // of its stdin
}

func startBare(ctx context.Context, program string, environ []string) (*bareChild, error) {
	cmd := exec.Command(program, childArg)
	cmd.Env = environ
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b := &bareChild{framer: newFramer(out, in), cmd: cmd, end: in.Close}
	done := settingUp(ctx, b.kill)
	defer done()
	if _, err := b.read(); err != nil { // its hello
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bareChild) kill() { _ = b.cmd.Process.Kill() } // it may have ended

// close ends its stdin and waits for it; one that does not end then is killed.
func (b *bareChild) close() {
	_ = b.end()
	late := time.AfterFunc(patience, b.kill)
	defer late.Stop()
	_ = b.cmd.Wait() // how it ends is nobody's matter any more
}
