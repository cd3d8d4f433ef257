package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"whoelse/bench/scenario"
	"whoelse/bench/storage"
)

// leftJournal is as much as a server can leave that is killed: one that is about
// to be sealed, at 8 MiB.
const leftJournal = 7_500_000

// storageChildName is the command under which this program opens histories in a
// process of its own.
const storageChildName = "storage-child"

func storageCommand(o *options) *cobra.Command {
	s := fullStorage()
	var quick bool
	cmd := &cobra.Command{
		Use:   "storage",
		Short: "histories on disk, beside bare writing; without any server",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if quick {
				s = inShort(s, cmd.Flags().Changed)
			}
			if err := checkStorage(s); err != nil {
				return err
			}
			report, err := s.Run(cmd.Context(), scenario.Env{Dir: o.dir, Progress: progress})
			if err != nil {
				return fmt.Errorf("storage: %w", err)
			}
			return o.print(cmd.OutOrStdout(), report)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&s.Parts, "parts", s.Parts, "what to measure")
	flags.IntSliceVar(&s.Senders, "senders", s.Senders, "send: numbers of senders")
	flags.IntVar(&s.Rounds, "rounds", s.Rounds, "how often each figure is measured, in turn with what it is held against")
	flags.DurationVar(&s.Slice, "slice", s.Slice, "send: how long one turn is")
	flags.IntVar(&s.Records, "records", s.Records, "inbox: records of the longest history")
	flags.IntVar(&s.Nicks, "nicks", s.Nicks, "nicks: how many, with one message each")
	flags.DurationVar(&s.Budget, "budget", s.Budget, "nicks: no more are written after this time")
	flags.IntVar(&s.Files, "files", s.Files, "folder: files in the fullest folder")
	flags.BoolVar(&s.DropCaches, "drop-caches", false, "also measure with the kernel's caches emptied: "+
		"needs root, and slows the whole machine down for a moment")
	flags.BoolVar(&quick, "quick", false, "small numbers where no flag says otherwise, to see that all of it runs")
	return cmd
}

func fullStorage() storage.Storage {
	return storage.Storage{
		Parts: storage.Parts(), Senders: []int{1, 32, 300}, Rounds: 5, Slice: 2 * time.Second,
		Records: 1_000_000, Nicks: 1_000_000, Budget: 10 * time.Minute, Files: 1_000_000,
		Journal: leftJournal, Child: self(storageChildName),
	}
}

func quickStorage() storage.Storage {
	s := fullStorage()
	s.Rounds, s.Slice, s.Journal = 3, 200*time.Millisecond, leftJournal/10
	s.Records, s.Nicks, s.Files = 20_000, 20_000, 20_000
	return s
}

// inShort takes the small numbers for what no flag has changed.
func inShort(s storage.Storage, changed func(string) bool) storage.Storage {
	quick := quickStorage()
	take := func(flag string, set func()) {
		if !changed(flag) {
			set()
		}
	}
	take("rounds", func() { s.Rounds = quick.Rounds })
	take("slice", func() { s.Slice = quick.Slice })
	take("records", func() { s.Records = quick.Records })
	take("nicks", func() { s.Nicks, s.Journal = quick.Nicks, quick.Journal })
	take("files", func() { s.Files = quick.Files })
	return s
}

// smallest is the least of which nicks, records and files make sense.
const smallest = 1000

func checkStorage(s storage.Storage) error {
	for _, part := range s.Parts {
		if !slices.Contains(storage.Parts(), part) {
			return fmt.Errorf("--parts %s: there are %v", part, storage.Parts())
		}
	}
	if s.Records < smallest || s.Nicks < smallest || s.Files < smallest {
		return fmt.Errorf("--records, --nicks and --files have to be %d or more", smallest)
	}
	numbers := []float64{float64(s.Rounds), s.Slice.Seconds(), s.Budget.Seconds()}
	for _, n := range s.Senders {
		numbers = append(numbers, float64(n))
	}
	return positive(numbers...)
}

func storageChildCommand() *cobra.Command {
	return &cobra.Command{
		Use:    storageChildName,
		Short:  "open histories in a process of its own, for the measurement of storage",
		Hidden: true,
		RunE: func(cmd *cobra.Command, words []string) error {
			return storage.Child(cmd.Context(), cmd.OutOrStdout(), words)
		},
	}
}
