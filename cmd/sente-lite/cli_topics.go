package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sente-lite/sente-lite/bb"
	"github.com/sente-lite/sente-lite/bridge/child"
	"github.com/sente-lite/sente-lite/bridge/web"
	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// A topic is what "help TOPIC" shows: the README of the package that it is about,
// which lies beside the code.
type topic struct {
	name  string
	page  func() string
	guide bool // longer than a screen
}

// topics is the table: one line for each.
func topics() []topic {
	return []topic{
		{name: "delivery", page: func() string { return pipe.Doc }},
		{name: "flow", page: func() string { return pipe.FlowDoc }},
		{name: "transports", page: func() string { return transport.Doc }},
		{name: "packers", page: func() string { return pack.Doc }, guide: true},
		{name: "security", page: func() string { return web.Doc }},
		{name: "config", page: configPage, guide: true},
		{name: "children", page: func() string { return child.Doc }, guide: true},
		{name: "clojure", page: bb.Page, guide: true},
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
	var later []string
	for _, k := range keys() {
		mark := " "
		if k.hot {
			mark = "*"
		}
		about := k.sentence()
		if k.def != "" {
			about += " (" + k.def + ")"
		}
		if !k.used() {
			later = append(later, ":"+k.name)
			continue
		}
		wrap(&b, fmt.Sprintf("%s :%-22s ", mark, k.name), about, 26)
	}
	wrap(&b, "\nNot in this version: ", strings.Join(later, " "), 0)
	return b.String()
}

// wrap writes words behind a heading, in lines of 80 columns.
func wrap(b *strings.Builder, heading, words string, indent int) {
	b.WriteString(heading)
	at := utf8.RuneCountInString(heading)
	for i, word := range strings.Fields(words) {
		n := utf8.RuneCountInString(word)
		switch {
		case at+1+n > 80:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent
		case i > 0:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	b.WriteByte('\n')
}
