package target

import "time"

// Usage is what a process has cost.
type Usage struct {
	CPU  time.Duration // user and system, since its start
	RSS  int64         // bytes resident now
	Peak int64         // the most that was ever resident
}
