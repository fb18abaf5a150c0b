package pipe

import (
	"crypto/sha256"
	"crypto/subtle"
)

// Auth knows the shared tokens (contract section 7). Those who bring none are
// strangers: refused, unless Anonymous is set.
type Auth struct {
	Tokens    []Token
	Anonymous bool // without a token one is a client with a uid of the sidecar's making
}

// A Token lets its bearer in as somebody.
type Token struct {
	Secret string
	Claim  Claim
}

// Check returns the claim of a token. It takes the same time for every token
// that is refused, however much of it is right.
func (a *Auth) Check(token string) (Claim, bool) {
	var claim Claim
	found := 0
	given := sha256.Sum256([]byte(token))
	for _, t := range a.Tokens {
		want := sha256.Sum256([]byte(t.Secret))
		same := subtle.ConstantTimeCompare(given[:], want[:])
		if same == 1 {
			claim = t.Claim
			claim.token = given
		}
		found |= same
	}
	return claim, found == 1 && token != ""
}
