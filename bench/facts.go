package main

import (
	"fmt"
	"runtime"
	"time"
)

// facts is what figures depend on, and nothing that names the machine.
type facts struct {
	Cores int    `json:"cores"`
	Go    string `json:"go"`
	OS    string `json:"os"`
	Date  string `json:"date"`
}

func machineFacts() facts {
	return facts{
		Cores: runtime.NumCPU(),
		Go:    runtime.Version(),
		OS:    runtime.GOOS + "/" + runtime.GOARCH,
		Date:  time.Now().UTC().Format(time.DateOnly),
	}
}

func (f facts) String() string {
	return fmt.Sprintf("%d cores, shared by the server and the clients; %s, %s; %s.", f.Cores, f.Go, f.OS, f.Date)
}
