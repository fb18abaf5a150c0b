package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// sendCommand sends what stands on the command line, or on each line of stdin.
type sendCommand struct {
	Event   []string `arg:"" optional:"" sep:"none" help:"[:ns/name data], in single quotes; - for stdin, one a line."`
	UID     []string `name:"uid" sep:"none" placeholder:"UID" help:"Send it to this peer, not to the handler; may repeat."`
	All     bool     `help:"Send it to every client."`
	Channel string   `placeholder:"CHANNEL" help:"Publish it: any value, to all who subscribed."`
	linkFlags
	formFlags
}

func (c *sendCommand) run(sys system, p *printer) error {
	said := 0
	for _, is := range []bool{len(c.UID) > 0, c.All, c.Channel != ""} {
		if is {
			said++
		}
	}
	if said > 1 {
		return misuse("leave out all but one", "found several of --uid, --all and --channel, expected one of them")
	}
	value, stdin, err := argument(sys, c.Event)
	if err != nil {
		return err
	}
	if !stdin {
		if value, err = c.wrap(value); err != nil {
			return misuseOf(err)
		}
	}
	ctx, stop := untilSignal()
	defer stop()
	var told complaints
	link, err := c.dial(ctx, sys, told.event)
	if err != nil {
		return err
	}
	defer link.close()
	if !stdin {
		return c.one(ctx, link, &told, p, value)
	}
	return eachLine(ctx, link, sys.Stdin, func(n int, text []byte) error {
		value, err := c.wrap(text)
		if err == nil {
			err = c.one(ctx, link, &told, p, value)
		}
		if bad := (*pipe.Error)(nil); errors.As(err, &bad) {
			at := *bad
			at.Msg = fmt.Sprintf("line %d of stdin: %s", n, bad.Msg)
			return &at
		}
		return err
	})
}

// wrap makes of a value the event that the sidecar gets.
func (c *sendCommand) wrap(value []byte) ([]byte, error) {
	if c.Channel != "" {
		v, err := pipe.Check(value, pipe.Limits{})
		if err != nil {
			return nil, badEDN(err)
		}
		b := pipe.AppendString([]byte("[:sente-lite/publish {:channel-id "), c.Channel)
		return append(append(append(b, " :data "...), v...), "}]"...), nil
	}
	i, err := parseEvent(value)
	switch {
	case err != nil:
		return nil, err
	case c.All:
		return fmt.Appendf(nil, "[:sente-lite/send {:to :all :event %s}]", i.Event), nil
	case len(c.UID) == 1:
		return append(fmt.Appendf(pipe.AppendString([]byte("[:sente-lite/send {:to "), c.UID[0]), " :event %s}", i.Event), ']'), nil
	case len(c.UID) > 1:
		b := []byte("[:sente-lite/send {:to #{")
		for _, uid := range c.UID {
			b = append(pipe.AppendString(b, uid), ' ')
		}
		return fmt.Appendf(b, "} :event %s}]", i.Event), nil
	}
	return i.Event, nil
}

// one sends one event and prints what became of it.
func (c *sendCommand) one(ctx context.Context, link *visitor, told *complaints, p *printer, event []byte) error {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	var status []byte
	var err error
	if c.Channel != "" || c.All || len(c.UID) > 0 {
		status, err = link.ask(ctx, event)
	} else if err = link.say(event); err == nil {
		// What is wrong with an event is told before the answer to what follows.
		if _, err = link.ask(ctx, []byte("[:chsk/ws-ping]")); err == nil {
			status, err = []byte("{:status :ok}"), told.take()
		}
	}
	switch {
	case err != nil:
		return err
	case raw(status, ":status") == ":backpressure":
		return &pipe.Error{Category: pipe.Busy, Code: "backpressure", Retry: true, Data: string(status),
			Msg:  "a queue is full and has not taken it: " + raw(status, ":queue-size") + " events wait there",
			Hint: `"sente-lite peers" shows whose queue that is`}
	}
	return p.value(status, func(w io.Writer) {
		switch peers := raw(status, ":peers"); peers {
		case "":
			fmt.Fprintln(w, "sent")
		case "1":
			fmt.Fprintln(w, "sent to 1 peer")
		default:
			fmt.Fprintf(w, "sent to %s peers\n", peers)
		}
	})
}

// askCommand makes a call and prints the reply.
type askCommand struct {
	Event   []string      `arg:"" sep:"none" help:"[:ns/name data], in single quotes; - reads it from stdin."`
	UID     string        `name:"uid" placeholder:"UID" help:"Ask this peer, not the handler."`
	Timeout time.Duration `default:"5s" placeholder:"TIME" help:"How long to wait, like 500ms or 2m (5s)."`
	linkFlags
	formFlags
}

func (c *askCommand) run(sys system, p *printer) error {
	value, err := c.ask(sys)
	if err != nil {
		return err
	}
	return p.value(value, func(w io.Writer) { fmt.Fprintln(w, line(value)) })
}

func (c *askCommand) ask(sys system) ([]byte, error) {
	if c.Timeout < time.Millisecond || c.Timeout > 24*time.Hour {
		return nil, misuse("", "--timeout is %v, allowed are 1ms to 24h", c.Timeout)
	}
	value, stdin, err := argument(sys, c.Event)
	if err != nil {
		return nil, err
	}
	if stdin {
		if value, err = io.ReadAll(io.LimitReader(sys.Stdin, pipe.DefaultMaxMessage+1)); err != nil {
			return nil, err
		}
	}
	i, err := parseEvent(value)
	if err != nil {
		return nil, misuseOf(err)
	}
	event := i.Event
	if c.UID != "" {
		event = pipe.AppendString([]byte("[:sente-lite/request {:to "), c.UID)
		event = fmt.Appendf(event, " :timeout-ms %d :event %s}]", c.Timeout.Milliseconds(), i.Event)
	}
	ctx, stop := untilSignal()
	defer stop()
	link, err := c.dial(ctx, sys, nil)
	if err != nil {
		return nil, err
	}
	defer link.close()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	return link.ask(ctx, event)
}

// argument returns a command's one value, or that it is on stdin.
func argument(sys system, args []string) (value []byte, stdin bool, err error) {
	const example = `put it in single quotes: '[:chat/msg {:text "hi"}]'`
	switch {
	case len(args) > 1:
		return nil, false, misuse(example, "the event came as %d arguments, expected one", len(args))
	case len(args) == 1 && args[0] != "-":
		return []byte(args[0]), false, nil
	case len(args) == 0 && sys.Terminal:
		return nil, false, misuse(example, "no event was given")
	}
	return nil, true, nil
}

// parseEvent takes an event apart; the error is one for people.
func parseEvent(value []byte) (pipe.Item, error) {
	i, err := pipe.Split(value, pipe.Limits{})
	if err != nil {
		bad := *wireError(err)
		if name := strings.TrimSpace(string(value)); strings.HasPrefix(name, ":") && !strings.ContainsAny(name, " \n") && strings.Contains(name, "/") {
			bad.Hint = "an event is a vector: [" + name + "]"
		}
		if bad.Hint == "" {
			bad.Hint = `an event is [:ns/name data], like [:chat/msg {:text "hi"}]`
		}
		return i, &bad
	}
	if i.Shape != pipe.ShapeEvent {
		return i, &pipe.Error{Category: pipe.Incorrect, Code: "bad-event", Msg: "found a call, reply or bundle, expected one event [:ns/name data]",
			Hint: `"sente-lite ask" makes a call of an event by itself`}
	}
	return i, nil
}

func badEDN(err error) error {
	return &pipe.Error{Category: pipe.Incorrect, Code: "bad-edn", Msg: err.Error(), Hint: `text is written in double quotes, as in '{:text "hi"}'`}
}

func misuseOf(err error) error {
	if bad := (*pipe.Error)(nil); errors.As(err, &bad) {
		return usageError{bad}
	}
	return err
}

// complaints keep the last error event that a sidecar has sent.
type complaints struct {
	mu  sync.Mutex
	bad *pipe.Error
}

func (c *complaints) event(i pipe.Item) {
	if string(i.Name) == "sente-lite/error" {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bad = errorOf(append([]byte{}, i.Body...))
	}
}

func (c *complaints) take() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	bad := c.bad
	c.bad = nil
	if bad == nil {
		return nil
	}
	return bad
}

// eachLine calls f for each line that is not blank, until one fails, a signal
// comes or the link ends. Reading stdin cannot be broken off: where that still
// waits it is left behind, as the process ends now.
func eachLine(ctx context.Context, link *visitor, r io.Reader, f func(n int, text []byte) error) error {
	type read struct {
		text []byte
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines := make(chan read)
	go func() {
		defer close(lines)
		s := bufio.NewScanner(r)
		s.Buffer(nil, pipe.DefaultMaxMessage+1)
		for s.Scan() {
			select {
			case lines <- read{text: bytes.Clone(s.Bytes())}:
			case <-ctx.Done():
				return
			}
		}
		if s.Err() != nil {
			select {
			case lines <- read{err: s.Err()}:
			case <-ctx.Done():
			}
		}
	}()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return &pipe.Error{Category: pipe.Interrupted, Code: "interrupted", Msg: fmt.Sprintf("ended by a signal; line %d of stdin had not come yet", n)}
		case <-link.ended:
			return link.end()
		case line, ok := <-lines:
			switch {
			case !ok:
				return nil
			case line.err != nil:
				return &pipe.Error{Category: pipe.Incorrect, Code: "too-large", Msg: fmt.Sprintf("line %d of stdin: %v", n, line.err)}
			case len(bytes.TrimSpace(line.text)) == 0:
				continue
			}
			if err := f(n, line.text); err != nil {
				return err
			}
		}
	}
}
