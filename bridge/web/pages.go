package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// An asset is a file of the binary's own.
type asset struct {
	name, etag string
	data       []byte
}

func newAsset(name string, data []byte) asset {
	sum := sha256.Sum256(data)
	return asset{name, `"` + hex.EncodeToString(sum[:8]) + `"`, data}
}

func (a asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", a.etag)
	http.ServeContent(w, r, a.name, time.Time{}, bytes.NewReader(a.data))
}

// newPages serves the files of a folder: no dotfiles, no lists of folders. What
// a path may reach beyond that is the file system's to say: os.Root lets no
// link lead out.
//
// amend, if it is not nil, makes the page of an HTML file.
func newPages(files fs.FS, headers http.Header, amend func([]byte) []byte) http.Handler {
	serve := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
		for part := range strings.SplitSeq(name, "/") {
			if strings.HasPrefix(part, ".") {
				http.NotFound(w, r)
				return
			}
		}
		if name == "" {
			name = "."
		}
		info, err := fs.Stat(files, name)
		if err == nil && info.IsDir() {
			_, err = fs.Stat(files, path.Join(name, "index.html"))
		}
		if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
			http.NotFound(w, r)
			return
		}
		for k, v := range headers {
			w.Header()[k] = v
		}
		w.Header().Set("Cache-Control", "no-cache")
		if amend != nil {
			if page, ok := htmlPage(files, name, info, r.URL.Path); ok {
				page.data = amend(page.data)
				newAsset(page.name, page.data).ServeHTTP(w, r)
				return
			}
		}
		serve.ServeHTTP(w, r)
	})
}

// maxAmended is how large a page may be to be amended: it is held whole.
const maxAmended = 16 << 20

// htmlPage returns the HTML that a path leads to, false where it leads to
// anything else: a redirect too is the file server's.
func htmlPage(files fs.FS, name string, info fs.FileInfo, asked string) (page asset, ok bool) {
	switch {
	case info.IsDir() != strings.HasSuffix(asked, "/"), strings.HasSuffix(asked, "/index.html"):
		return asset{}, false
	case info.IsDir():
		name = path.Join(name, "index.html")
	}
	kind := mime.TypeByExtension(path.Ext(name))
	if kind != "" && !strings.HasPrefix(kind, "text/html") {
		return asset{}, false
	}
	f, err := files.Open(name)
	if err != nil {
		return asset{}, false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxAmended+1))
	if err != nil || len(data) > maxAmended {
		return asset{}, false
	}
	if kind == "" && !strings.HasPrefix(http.DetectContentType(data), "text/html") {
		return asset{}, false
	}
	return asset{name: path.Base(name), data: data}, true
}
