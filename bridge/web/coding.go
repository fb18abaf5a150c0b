package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sente-lite/sente-lite/pipe/pack"
)

const (
	codedFrom = 1 << 10  // bytes; smaller files fit into one packet anyway
	codedTo   = 8 << 20  // larger ones are not held in memory
	codedKept = 32 << 20 // of all that is kept
)

// codings serves files compressed to those who take that, and keeps what it has
// compressed, so that a file is compressed once and all who load it share the bytes.
type codings struct {
	working sync.Mutex // held while a file is compressed

	mu   sync.Mutex
	kept map[string]coded // by coding, and file with its version
	size int
}

// A coded is a file in a coding: nil where it does not shrink.
type coded struct {
	data []byte
	kind string // its Content-Type
}

// An asset is a file of the binary's own, or one that it has made.
type asset struct {
	name, kind, tag string
	data            []byte
}

func newAsset(name, kind string, data []byte) asset {
	sum := sha256.Sum256(data)
	return asset{name, kind, hex.EncodeToString(sum[:8]), data}
}

// serveAsset answers with an asset.
func (c *codings) serveAsset(w http.ResponseWriter, r *http.Request, a asset) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Type", a.kind)
	data, tag := a.data, a.tag
	if len(a.data) > codedFrom && shrinks(a.kind) {
		got, coding := c.negotiate(w, r, a.tag, func() (string, []byte, error) { return a.kind, a.data, nil })
		if got.data != nil {
			data, tag = got.data, tag+"-"+coding // another representation, another tag
			h.Set("Content-Encoding", coding)
		}
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, a.name, time.Time{}, bytes.NewReader(data))
}

// serveFile answers with the compressed form of a file, or returns false: the file
// server has it as it is.
func (c *codings) serveFile(w http.ResponseWriter, r *http.Request, files fs.FS, name string) bool {
	if !mayShrink(name) {
		return false
	}
	f, err := files.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() <= codedFrom || info.Size() > codedTo {
		return false
	}
	version := fmt.Sprintf("%s %d %d", name, info.Size(), info.ModTime().UnixNano())
	got, coding := c.negotiate(w, r, version, func() (string, []byte, error) {
		data, err := io.ReadAll(io.LimitReader(f, info.Size()))
		return typeOf(name, data), data, err
	})
	if got.data == nil {
		return false
	}
	w.Header().Set("Content-Type", got.kind)
	w.Header().Set("Content-Encoding", coding)
	http.ServeContent(w, r, path.Base(name), info.ModTime(), bytes.NewReader(got.data))
	return true
}

// negotiate returns a file in the coding that is asked for. Who wants a part of it
// means of the file as it is.
func (c *codings) negotiate(w http.ResponseWriter, r *http.Request, version string, load func() (string, []byte, error)) (coded, string) {
	w.Header().Add("Vary", "Accept-Encoding")
	coding := accepted(r.Header.Values("Accept-Encoding"), pack.ContentCodings)
	if coding == "" || r.Header.Get("Range") != "" {
		return coded{}, ""
	}
	return c.coded(coding, version, load), coding
}

func (c *codings) coded(coding, version string, load func() (string, []byte, error)) coded {
	key := coding + " " + version
	if got, ok := c.get(key); ok {
		return got
	}
	c.working.Lock()
	defer c.working.Unlock()
	if got, ok := c.get(key); ok {
		return got
	}
	kind, data, err := load()
	if err != nil {
		return coded{}
	}
	got := coded{kind: kind}
	if shrinks(kind) {
		if got.data = pack.EncodeContent(coding, data); len(got.data) > len(data)*9/10 {
			got.data = nil
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.size += len(key) + len(got.data); c.size > codedKept || c.kept == nil { // files change: begin anew
		c.kept, c.size = map[string]coded{}, len(key)+len(got.data)
	}
	c.kept[key] = got
	return got
}

func (c *codings) get(key string) (coded, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	got, ok := c.kept[key]
	return got, ok
}

// shrinks reports whether files of a type are text, or like text: images, fonts and
// archives are compressed already.
func shrinks(kind string) bool {
	kind, _, err := mime.ParseMediaType(kind)
	if err != nil {
		return false
	}
	switch kind {
	case "application/javascript", "application/json", "application/xml", "application/wasm", "application/edn", "image/bmp", "image/x-icon", "image/vnd.microsoft.icon":
		return true
	}
	return strings.HasPrefix(kind, "text/") && kind != "text/event-stream" || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml")
}

// accepted returns the coding that Accept-Encoding asks for (RFC 9110, 12.5.3), "" for
// none: the one with the highest weight, of equal ones the first of ours. Nobody
// that wants the file as it is more than any of them gets another.
func accepted(header []string, ours []string) string {
	weights := map[string]float64{}
	for _, line := range header {
		for part := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(part, ";")
			name = strings.ToLower(strings.TrimSpace(name))
			if name == "x-gzip" {
				name = "gzip"
			}
			weight := 1.0
			if key, value, ok := strings.Cut(params, "="); ok && strings.EqualFold(strings.TrimSpace(key), "q") {
				q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
				if err != nil || !(q >= 0 && q <= 1) {
					q = 0 // unreadable: what is not surely wanted is left out
				}
				weight = q
			}
			if name != "" {
				weights[name] = weight
			}
		}
	}
	best, most := "", 0.0
	for _, name := range ours {
		weight, said := weights[name]
		if !said {
			weight = weights["*"]
		}
		if weight > most {
			best, most = name, weight
		}
	}
	if plain, said := weights["identity"]; said && plain > most {
		return ""
	}
	return best
}

// typeOf is the Content-Type of a file, as http.ServeContent finds it.
func typeOf(name string, data []byte) string {
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		return kind
	}
	return http.DetectContentType(data)
}

// textNames are the ends of names of text that the system may have no type for.
var textNames = []string{".clj", ".cljs", ".cljc", ".edn", ".md", ".map", ".txt"}

// mayShrink reports whether a file is worth being looked at, by its name.
func mayShrink(name string) bool {
	kind := mime.TypeByExtension(path.Ext(name))
	return kind == "" && slices.Contains(textNames, path.Ext(name)) || shrinks(kind)
}
