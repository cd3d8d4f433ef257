package cluster

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// noteSources looks at every file that the binary is built from. go test shows earlier
// results again as long as nothing has changed that a test has looked at, and does not know
// what the go build in TestMain reads.
var noteSources = sync.OnceFunc(func() {
	filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "../.." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir // .git
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			os.Stat(path)
		}
		return nil
	})
	os.Stat("../../deploy/cluster.sh")
})
