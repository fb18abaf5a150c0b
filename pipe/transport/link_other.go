//go:build !unix

package transport

func newLink(h handle) link { return &netLink{h: h} }
