package main

import (
	"fmt"
	"strings"

	"github.com/sente-lite/sente-lite/bridge/web"
	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// A topic is what "help TOPIC" shows: the README of the package that it is about,
// which lies beside the code.
type topic struct {
	name string
	page func() string
}

// topics is the table: one line for each.
func topics() []topic {
	return []topic{
		{"delivery", func() string { return pipe.Doc }},
		{"transports", func() string { return transport.Doc }},
		{"packers", func() string { return pack.Doc }},
		{"security", func() string { return web.Doc }},
		{"config", configPage},
	}
}

// topicNamed returns a topic's page, nil where there is none.
func topicNamed(name string) func() string {
	for _, t := range topics() {
		if t.name == name {
			return t.page
		}
	}
	return nil
}

// configPage is made from the table of keys.
func configPage() string {
	var b strings.Builder
	b.WriteString(`# Configuration

One EDN map. These layers are laid over each other, the last wins; maps merge,
everything else replaces, and nil takes the default back:

    --config FILE                         {:flow {:max-depth 100}}
    SENTE_LITE_FLOW__MAX_DEPTH=100        the environment, EDN
    --set :flow/max-depth=100             flags; --listen, --static, --log-level
    [:sente-lite/hello {:config {…}}]     the parent's hello

"config check" finds what is wrong, "config show" where each value comes from,
"config doc KEY" what a key takes. While it runs an owner changes the keys
marked * by [:sente-lite/configure {:config {…}}].

`)
	for _, k := range keys() {
		mark := " "
		if k.hot {
			mark = "*"
		}
		line := fmt.Sprintf("%s :%-26s %s", mark, k.name, k.sentence())
		if _, later := k.is.(laterKind); later {
			line = fmt.Sprintf("%s :%-26s not in this version", mark, k.name)
		} else if k.def != "" {
			line += " (" + k.def + ")"
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}
