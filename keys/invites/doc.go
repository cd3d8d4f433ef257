// Package invites keeps one-time codes with which somebody who has no key here yet
// enrols one: `ssh NICK+CODE@host`.
//
//	store := invites.Open(filepath.Join(data, "invites.json"))
//	code, err := store.Create("carol", "alice", 24*time.Hour) // shown once, to give to carol
//
//	err := store.Check("carol", code)                // may this login go on? uses nothing up
//	err = store.Redeem("carol", code, func() error { // once its key has signed
//		_, err := reg.Add("carol", []keys.PublicKey{key}, keys.AddOptions{How: "invited"})
//		return err
//	})
//
// A key that was only offered must not use a code up: offering is free. So admission
// asks Check, and Redeem is called with the key that signed.
//
// Codes have 80 random bits and are stored as hashes. A Guard slows down who guesses.
package invites
