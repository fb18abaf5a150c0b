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

	// Set puts a checked value into c. It is nil for those of a laterKind.
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
	// Where 0 means none it is below 0 in the Flow, whose 0 is the default.
	none := func(n int64) int64 {
		if n == 0 {
			return -1
		}
		return n
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
		{name: "encryption/keys", def: "[]", doc: "keys that :aes-gcm is given: a link writes with the first, and reads with any", is: cipherKeysKind{}, hot: true,
			set: func(*Config, any) {}}, // resolved when all is known
		{name: "data-dir", def: `""`, doc: "folder of this sidecar's own for what must outlive it: sessions that may come back, and the events that :queue has spilled; \"\" for none", is: textKind{},
			set: func(c *Config, v any) { c.DataDir = v.(string) }},
		{name: "log-level", def: ":info", doc: "least level that is logged; :trace is :debug", hot: true,
			is:  oneOf{"debug", "info", "warn", "error", "trace"},
			set: func(c *Config, v any) { c.LogLevel = logLevels[v.(string)] }},
		{name: "shutdown-ms", def: "2000", unit: "ms", doc: "most time for the last flush", is: intKind{0, 600_000}, hot: true,
			set: func(c *Config, v any) { c.Shutdown = time.Duration(v.(int64)) * time.Millisecond }},

		{name: "flow/event-buffer-ms", def: "25", unit: "ms", doc: "longest wait of an event that a bundle holds; 0 is none", is: intKind{0, 60_000}, hot: true,
			set: func(c *Config, v any) { c.Hub.Flow.EventBuffer = time.Duration(none(v.(int64))) * time.Millisecond }},
		{name: "flow/event-buffer-size", def: "100", unit: "events", doc: "that end a bundle early; 1 is no bundling", is: intKind{1, 100_000}, hot: true,
			set: size(func(f *pipe.Flow) *int { return &f.EventBufferSize })},
		{name: "flow/max-frame-size", def: "65536", unit: "bytes", doc: "of one packed bundle; a larger event travels alone", is: intKind{1024, 1 << 30}, hot: true,
			set: size(func(f *pipe.Flow) *int { return &f.MaxFrameSize })},
		{name: "flow/max-buffer-size", def: "1000", unit: "events", doc: "queued for one peer before :backpressure", is: intKind{1, 10_000_000}, hot: true,
			set: size(func(f *pipe.Flow) *int { return &f.MaxBufferSize })},
		{name: "flow/max-buffer-bytes", def: "8388608", unit: "bytes", doc: "queued for one peer before :backpressure", is: intKind{1024, 1 << 31}, hot: true,
			set: size(func(f *pipe.Flow) *int { return &f.MaxBufferBytes })},
		{name: "flow/max-buffer-age-ms", def: "0", unit: "ms", doc: "age of the oldest event queued for a peer before :backpressure; 0 is any", is: intKind{0, 86_400_000}, hot: true,
			set: ms(func(f *pipe.Flow) *time.Duration { return &f.MaxBufferAge })},
		{name: "flow/on-backpressure", def: ":notify", doc: "what happens to an event that finds its peer's queue full; :queue keeps it in :data-dir", is: fullKind{}, hot: true,
			set: func(c *Config, v any) { c.Hub.Flow.OnFull = v.([]pipe.FullRule) }},
		{name: "flow/block-ms", def: "1000", unit: "ms", doc: "longest wait of an event for room, with :block; then it is refused", is: intKind{1, 3_600_000}, hot: true,
			set: ms(func(f *pipe.Flow) *time.Duration { return &f.BlockFor })},
		{name: "flow/max-recv-queue-size", def: "5000", unit: "events", doc: "received by a library and not handled yet", is: intKind{1, 10_000_000}, hot: true,
			set: size(func(f *pipe.Flow) *int { return &f.MaxRecvQueueSize })},
		{name: "flow/max-recv-bytes", def: "100000000", unit: "bytes", doc: "received by a library and not handled yet", is: intKind{1024, 1 << 31}, hot: true,
			set: size(func(f *pipe.Flow) *int { return &f.MaxRecvBytes })},
		{name: "flow/on-recv-full", def: ":notify", doc: "what a library does with an event that finds its queue full", is: recvPolicies, hot: true,
			set: func(c *Config, v any) { c.Hub.Flow.OnRecvFull = v.(string) }},
		{name: "flow/max-message-bytes", def: "16777215", unit: "bytes", doc: "of one message", is: intKind{1024, 1 << 30}, hot: true,
			set: size(func(f *pipe.Flow) *int { return &f.MaxMessageBytes })},
		{name: "flow/max-depth", def: "512", unit: "levels", doc: "of nesting in one message", is: intKind{8, 10_000}, hot: true,
			set: size(func(f *pipe.Flow) *int { return &f.MaxDepth })},
		{name: "flow/max-total-bytes", def: "268435456", unit: "bytes", doc: "of all queues, what is kept for lost peers, and partial messages together", is: intKind{1 << 20, 1 << 40}, hot: true,
			set: func(c *Config, v any) { c.Hub.Flow.MaxTotalBytes = v.(int64) }},
		{name: "flow/max-peers", def: "20000", unit: "peers", doc: "that are clients", is: intKind{1, 10_000_000}, hot: true,
			set: size(func(f *pipe.Flow) *int { return &f.MaxPeers })},
		{name: "flow/max-admit-per-sec", def: "0", unit: "peers", doc: "that are let in each second, of clients; 0 is any number", is: intKind{0, 1_000_000}, hot: true,
			set: size(func(f *pipe.Flow) *int { return &f.AdmitPerSec })},
		{name: "flow/call-timeout-ms", def: "30000", unit: "ms", doc: "life of a call", is: intKind{1, 86_400_000}, hot: true,
			set: ms(func(f *pipe.Flow) *time.Duration { return &f.CallTimeout })},
		{name: "flow/lanes", def: "{}", doc: "queues of their own, by event: order is kept in each, and none waits for another", is: lanesKind{},
			set: func(c *Config, v any) { c.Hub.Flow.Lanes = v.([]pipe.Lane) }},
		{name: "flow/profile", doc: "preset of this section, under what is said of its keys", is: oneOf{"immediate", "balanced", "bulk"}, hot: true,
			set: func(*Config, any) {}}, // it is in the values of the others
		{name: "flow/connection-state-recovery/backup-secs", def: "5", unit: "s", doc: "how long a lost peer may come back and miss nothing; 0 is no recovery", is: intKind{0, 86_400}, hot: true,
			set: func(c *Config, v any) { c.Hub.Flow.Recovery.Window = time.Duration(none(v.(int64))) * time.Second }},
		{name: "flow/connection-state-recovery/max-msgs", def: "100", unit: "messages", doc: "new ones that wait for a lost peer; the oldest go", is: intKind{0, 1_000_000}, hot: true,
			set: func(c *Config, v any) { c.Hub.Flow.Recovery.MaxMsgs = int(none(v.(int64))) }},
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
