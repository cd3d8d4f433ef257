// Package bans keeps who may not come in: nicks, keys and networks, for some time or
// for good, and why.
//
//	list, err := bans.Open(filepath.Join(data, "bans.json"), log)
//	target, err := bans.ParseTarget("203.0.113.0/24")
//	err = list.Add(target, "alice", "floods", 24*time.Hour)
//
//	b, banned := list.Address(addr)                    // before authentication
//	b, banned = list.Find(bans.Who{Nick: n, Key: fp, Addr: addr}) // after
//
// Before adding one, ask target.Covers about everybody it should not lock out.
package bans
