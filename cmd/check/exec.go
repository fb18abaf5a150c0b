package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"time"
)

// maxOutput bounds what is kept of one program's or one test's output.
const maxOutput = 1 << 20

func lookPath(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// command is exec.CommandContext in the root of the checkout, without stdin.
// When ctx ends, the program and those that it has started end with it.
func (c *checker) command(ctx context.Context, env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = c.root
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = 5 * time.Second
	endTogether(cmd)
	return cmd
}

// output runs a program and returns what it wrote to both of its outputs.
func (c *checker) output(ctx context.Context, env []string, name string, args ...string) (string, error) {
	var buf capped
	cmd := c.command(ctx, env, name, args...)
	cmd.Stdout, cmd.Stderr = &buf, &buf
	err := cmd.Run()
	return buf.String(), ended(ctx, err)
}

// lines runs a program, gives its stdout to read and returns its stderr.
func (c *checker) lines(ctx context.Context, read func(io.Reader), name string, args ...string) (string, error) {
	var errs capped
	// Not StdoutPipe: the WaitDelay counts for what Wait itself copies, and a
	// forgotten child may hold the program's stdout open.
	out, in := io.Pipe()
	cmd := c.command(ctx, nil, name, args...)
	cmd.Stdout, cmd.Stderr = in, &errs
	done := make(chan struct{})
	go func() {
		defer close(done)
		read(out)
		_, _ = io.Copy(io.Discard, out) // whatever read has left must not block the program
	}()
	err := cmd.Run()
	_ = in.Close()
	<-done
	return errs.String(), ended(ctx, err)
}

// ended says why a program was killed, where that was us.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// capped is a buffer that keeps the first maxOutput bytes and takes the rest
// without keeping it.
type capped struct{ kept bytes.Buffer }

func (b *capped) Write(p []byte) (int, error) {
	b.kept.Write(p[:min(len(p), maxOutput-b.kept.Len())])
	return len(p), nil
}

func (b *capped) add(s string)   { b.kept.WriteString(s[:min(len(s), maxOutput-b.kept.Len())]) }
func (b *capped) String() string { return b.kept.String() }
func (b *capped) reset()         { b.kept.Reset() }
