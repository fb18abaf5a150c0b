package main

import (
	"log/slog"
	"strings"
	"time"

	"github.com/sente-lite/sente-lite/bridge/child"
	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// A key is one key of the configuration: the single source of its default, its
// check and its description.
type key struct {
	name string // "flow/max-depth": the path, by slashes
	def  string // EDN; "" for none
	unit string
	doc  string
	is   kind
	hot  bool // may change while running

	// Set puts a checked value into c. It is nil for keys that are checked
	// only: this version does without them.
	set func(c *Config, v any)
}

func (k key) path() keyPath {
	var p keyPath
	for _, name := range strings.Split(k.name, "/") {
		p = append(p, pack.Keyword(name))
	}
	return p
}

// Keys is the table. Its sections, such as :flow, are the keys' own prefixes.
func keys() []key {
	size := func(field func(*pipe.Flow) *int) func(*Config, any) {
		return func(c *Config, v any) { *field(&c.Hub.Flow) = int(v.(int64)) }
	}
	ms := func(field func(*pipe.Flow) *time.Duration) func(*Config, any) {
		return func(c *Config, v any) { *field(&c.Hub.Flow) = time.Duration(v.(int64)) * time.Millisecond }
	}
	rule := func(field func(*pipe.Policy) *pipe.Rule) func(*Config, any) {
		return func(c *Config, v any) { *field(&c.Hub.Policy) = v.(pipe.Rule) }
	}
	return []key{
		{name: "name", def: `"default"`, doc: "name of the default socket, NAME.sock", is: nameKind{},
			set: func(c *Config, v any) { c.Name = v.(string) }},
		{name: "listen", doc: "addresses; any replaces all that the command has by default", is: listenKind{},
			set: func(c *Config, v any) { c.Listen = v.([]Address) }},
		{name: "static", def: `"public"`, doc: `folder of pages, "" for none; the default counts only if it exists`, is: textKind{},
			set: func(c *Config, v any) { c.Static = v.(string) }},
		{name: "base-path", def: `"/"`, doc: "what all HTTP paths begin with", is: basePathKind{},
			set: func(c *Config, v any) { c.BasePath = v.(string) }},
		{name: "tls", doc: "certificate and key", is: laterKind{}},
		{name: "allowed-origins", def: "#{}", doc: "web origins whose pages may connect beside our own", is: originsKind{}, hot: true,
			set: func(c *Config, v any) { c.AllowedOrigins = v.([]string) }},
		{name: "allowed-hosts", def: "#{}", doc: "names in Host beside loopback, IP addresses and our own", is: hostsKind{}, hot: true,
			set: func(c *Config, v any) { c.AllowedHosts = v.([]string) }},
		{name: "trusted-proxies", doc: "proxies whose X-Forwarded headers count", is: laterKind{}},
		{name: "csrf-token", doc: "token that Sente's clients must bring", is: laterKind{}},
		{name: "auth/tokens", def: "[]", doc: "shared tokens, and who brings them", is: tokensKind{},
			set: func(*Config, any) {}}, // resolved when all is known
		{name: "auth/jwt", doc: "signed tokens", is: laterKind{}},
		{name: "auth/anonymous", def: "false", doc: "let those without a token in as clients", is: boolKind{},
			set: func(*Config, any) {}},
		{name: "data-dir", def: `""`, doc: "folder for what must last; nothing uses it yet", is: textKind{},
			set: func(c *Config, v any) { c.DataDir = v.(string) }},
		{name: "log-level", def: ":info", doc: "least level that is logged; :trace is :debug", hot: true,
			is:  oneOf{"debug", "info", "warn", "error", "trace"},
			set: func(c *Config, v any) { c.LogLevel = logLevels[v.(string)] }},
		{name: "shutdown-ms", def: "2000", unit: "ms", doc: "most time for the last flush", is: intKind{0, 600_000}, hot: true,
			set: func(c *Config, v any) { c.Shutdown = time.Duration(v.(int64)) * time.Millisecond }},

		{name: "flow/event-buffer-ms", def: "25", unit: "ms", doc: "longest wait of a queued event", is: intKind{0, 60_000}, hot: true},
		{name: "flow/event-buffer-size", def: "100", unit: "events", doc: "that flush a bundle early; 1 is no bundling", is: intKind{1, 100_000}, hot: true},
		{name: "flow/max-frame-size", def: "65536", unit: "bytes", doc: "of one packed bundle", is: intKind{1024, 1 << 30}, hot: true},
		{name: "flow/max-buffer-size", def: "1000", unit: "events", doc: "queued for one peer before :backpressure", is: intKind{1, 10_000_000}, hot: true,
			set: size(func(f *pipe.Flow) *int { return &f.MaxBufferSize })},
		{name: "flow/max-buffer-bytes", def: "8388608", unit: "bytes", doc: "queued for one peer before :backpressure", is: intKind{1024, 1 << 31}, hot: true,
			set: size(func(f *pipe.Flow) *int { return &f.MaxBufferBytes })},
		{name: "flow/on-backpressure", def: ":notify", doc: "what happens to an event that finds the queue full", is: notifyKind{}, hot: true},
		{name: "flow/block-ms", def: "1000", unit: "ms", doc: "longest wait of :block", is: intKind{1, 3_600_000}, hot: true},
		{name: "flow/max-recv-queue-size", def: "5000", unit: "events", doc: "on the receiver's side", is: intKind{1, 10_000_000}, hot: true},
		{name: "flow/max-recv-bytes", def: "100000000", unit: "bytes", doc: "on the receiver's side", is: intKind{1024, 1 << 31}, hot: true},
		{name: "flow/on-recv-full", def: ":notify", doc: "what happens to an event that finds the receiver full", is: notifyKind{}, hot: true},
		{name: "flow/max-message-bytes", def: "16777215", unit: "bytes", doc: "of one message", is: intKind{1024, 1 << 30}, hot: true,
			set: size(func(f *pipe.Flow) *int { return &f.MaxMessageBytes })},
		{name: "flow/max-depth", def: "512", unit: "levels", doc: "of nesting in one message", is: intKind{8, 10_000}, hot: true,
			set: size(func(f *pipe.Flow) *int { return &f.MaxDepth })},
		{name: "flow/max-total-bytes", def: "268435456", unit: "bytes", doc: "of all queues and partial messages together", is: intKind{1 << 20, 1 << 40}, hot: true,
			set: func(c *Config, v any) { c.Hub.Flow.MaxTotalBytes = v.(int64) }},
		{name: "flow/max-peers", def: "20000", unit: "peers", doc: "that are clients", is: intKind{1, 10_000_000}, hot: true,
			set: size(func(f *pipe.Flow) *int { return &f.MaxPeers })},
		{name: "flow/call-timeout-ms", def: "30000", unit: "ms", doc: "life of a call", is: intKind{1, 86_400_000}, hot: true,
			set: ms(func(f *pipe.Flow) *time.Duration { return &f.CallTimeout })},
		{name: "flow/lanes", doc: "lanes by event name", is: laterKind{}},
		{name: "flow/profile", doc: "preset of this section", is: laterKind{}},
		{name: "flow/connection-state-recovery/backup-secs", def: "5", unit: "s", doc: "how long a lost peer may come back", is: intKind{0, 86_400}, hot: true},
		{name: "flow/connection-state-recovery/max-msgs", def: "100", unit: "messages", doc: "kept for a lost peer", is: intKind{0, 1_000_000}, hot: true},
		{name: "flow/ws-kalive-ms", def: "5000", unit: "ms", doc: "of silence before a ping", is: intKind{10, 3_600_000}, hot: true,
			set: ms(func(f *pipe.Flow) *time.Duration { return &f.KeepAlive })},
		{name: "flow/ws-ping-timeout-ms", def: "10000", unit: "ms", doc: "from the ping to the close", is: intKind{10, 3_600_000}, hot: true,
			set: ms(func(f *pipe.Flow) *time.Duration { return &f.PingTimeout })},

		{name: "relay", def: "[]", doc: "where clients' events go while there is no handler; the first match wins", is: relayKind{}, hot: true,
			set: func(c *Config, v any) { c.Hub.Relay = v.([]pipe.RelayRule) }},
		{name: "policy/subscribe", def: "true", doc: "channels that clients may subscribe to", is: ruleKind{}, hot: true,
			set: rule(func(p *pipe.Policy) *pipe.Rule { return &p.Subscribe })},
		{name: "policy/publish", def: "true", doc: "channels that clients may publish to", is: ruleKind{}, hot: true,
			set: rule(func(p *pipe.Policy) *pipe.Rule { return &p.Publish })},
		{name: "policy/send-to-client", def: "true", doc: "uids that clients may send to", is: ruleKind{}, hot: true,
			set: rule(func(p *pipe.Policy) *pipe.Rule { return &p.SendToClient })},
		{name: "processes", def: "{}", doc: "programs to run as peers, by uid", is: processesKind{},
			set: func(c *Config, v any) { c.Processes = v.([]child.Spec) }},
		{name: "pods", doc: "pods to host", is: laterKind{}},
		{name: "backbone", doc: "where what must last or be shared is kept", is: laterKind{}},
		{name: "modules", doc: "modules and their configuration", is: laterKind{}},
	}
}

var logLevels = map[string]slog.Level{
	"trace": slog.LevelDebug,
	"debug": slog.LevelDebug,
	"info":  slog.LevelInfo,
	"warn":  slog.LevelWarn,
	"error": slog.LevelError,
}
