package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"sync"
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

// An Asset is a file of the program's own that pages may ask for and a folder of
// pages may have one of its own in place of.
type Asset struct {
	Type string                 // its Content-Type
	Make func() ([]byte, error) // called once, when it is first asked for
}

// lazyAsset serves an Asset.
type lazyAsset struct {
	typ  string
	made func() (asset, error)
	log  *slog.Logger
}

func newLazyAsset(name string, a Asset, log *slog.Logger) lazyAsset {
	return lazyAsset{a.Type, sync.OnceValues(func() (asset, error) {
		data, err := a.Make()
		return newAsset(name, data), err
	}), log}
}

func (a lazyAsset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	made, err := a.made()
	if err != nil {
		a.log.Error("a file of the program's own cannot be made", "path", r.URL.Path, "error", err)
		http.Error(w, "this file cannot be made: see the log of sente-lite", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", a.typ)
	made.ServeHTTP(w, r)
}

// newPages serves the files of a folder: no dotfiles, no lists of folders. What
// a path may reach beyond that is the file system's to say: os.Root lets no
// link lead out.
func newPages(files fs.FS, headers http.Header) http.Handler {
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
		serve.ServeHTTP(w, r)
	})
}
