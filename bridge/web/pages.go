package web

import (
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// newPages serves the files of a folder: no dotfiles, no lists of folders. What
// a path may reach beyond that is the file system's to say: os.Root lets no
// link lead out.
//
// amend, if it is not nil, makes the page of an HTML file.
func newPages(files fs.FS, headers http.Header, amend func([]byte) []byte, coded *codings) http.Handler {
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
				data := amend(page.data)
				coded.serveAsset(w, r, newAsset(page.name, typeOf(page.name, data), data))
				return
			}
		}
		if name, ok := fileOf(name, info, r.URL.Path); ok && coded.serveFile(w, r, files, name) {
			return
		}
		serve.ServeHTTP(w, r)
	})
}

// maxAmended is how large a page may be to be amended: it is held whole.
const maxAmended = 16 << 20

// htmlPage returns the HTML that a path leads to, false where it leads to
// anything else.
func htmlPage(files fs.FS, name string, info fs.FileInfo, asked string) (page asset, ok bool) {
	name, ok = fileOf(name, info, asked)
	kind := mime.TypeByExtension(path.Ext(name))
	if !ok || kind != "" && !strings.HasPrefix(kind, "text/html") {
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

// fileOf returns the name of the file that a path leads to, false where that is a
// redirect, which is the file server's.
func fileOf(name string, info fs.FileInfo, asked string) (string, bool) {
	switch {
	case info.IsDir() != strings.HasSuffix(asked, "/"), strings.HasSuffix(asked, "/index.html"):
		return "", false
	case info.IsDir():
		name = path.Join(name, "index.html")
	}
	return name, true
}
