// Package pack holds the wire forms of messages beside EDN, the hub's own.
//
// A packer sits at the edge: what a peer sends becomes EDN text before the hub
// sees it, and what the hub sends becomes the peer's form last. It works from
// token to token, whole messages at a time, without a tree of values between,
// so that a message costs no more memory than its bytes.
//
// DecodeEDN, for configuration, is the other half: EDN text into Go values,
// where a tree is what one wants.
package pack

import _ "embed"

// Doc is this package's page, which "sente-lite help packers" shows.
//
//go:embed README.md
var Doc string
