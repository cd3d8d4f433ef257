package test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// module is what the paths of our packages begin with.
const module = "whoelse"

// TestArchitecturePackages: the first table of docs/architecture.md has one row for each
// package, and none for what is gone.
func TestArchitecturePackages(t *testing.T) {
	t.Parallel()
	table, _, _ := strings.Cut(after(t, architecture(t), "\n## Packages\n"), "\n## ")
	var rows []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(table, -1) {
		rows = append(rows, row[1])
	}
	var want []string
	for _, p := range goList(t, "{{.ImportPath}}", "./...") {
		want = append(want, short(p))
	}
	slices.Sort(rows)
	slices.Sort(want)
	for _, p := range difference(want, rows) {
		t.Errorf("%s has no row", p)
	}
	for _, p := range difference(rows, want) {
		t.Errorf("the row of %s is not about one package", p)
	}
}

// TestArchitecturePicture: the picture has every import between the packages of the
// program, as its legend says, and nothing else.
func TestArchitecturePicture(t *testing.T) {
	t.Parallel()
	p := readPicture(t)
	real := map[[2]string]bool{}
	for pkg, imports := range productImports(t) {
		if pkg == "room" && len(imports) > 0 {
			t.Errorf("room imports %q", imports)
		}
		if p.helpers[pkg] {
			for _, i := range imports {
				if !p.helpers[i] {
					t.Errorf("the helper %s imports %s, which is none", pkg, i)
				}
			}
			continue
		}
		from, ok := p.boxOf[pkg]
		if !ok {
			t.Errorf("%s is neither in the picture nor a helper", pkg)
		}
		delete(p.unseen, pkg)
		for _, i := range imports {
			if to := p.boxOf[i]; p.helpers[i] {
				continue
			} else if to == from {
				t.Errorf("%s imports %s, which is in the same box", pkg, i)
			} else if real[[2]string{from, to}] = true; !p.edges[[2]string{from, to}] {
				t.Errorf("%s imports %s: the picture lacks %s --> %s", pkg, i, from, to)
			}
		}
	}
	for e := range p.edges {
		if !real[e] {
			t.Errorf("%s --> %s is in the picture, and no import", e[0], e[1])
		}
	}
	for pkg := range p.unseen {
		t.Errorf("%s is in the picture, and no package of the program", pkg)
	}
	if c := p.cycle(); c != nil {
		t.Errorf("a cycle: %q", c)
	}
}

// picture is the one in docs/architecture.md.
type picture struct {
	boxOf   map[string]string // by package; of one that is alone, its own name
	edges   map[[2]string]bool
	helpers map[string]bool // packages that the legend names
	unseen  map[string]bool // packages in boxes
}

var (
	box     = regexp.MustCompile(`^    (\w+)\["(.*)"\]$`)
	arrows  = regexp.MustCompile(`^    ([\w./]+) --> ([\w./]+(?: & [\w./]+)*)$`)
	helpers = regexp.MustCompile(`(?s)\nHelpers, [^:]*: (.*?)\.\n`)
	quoted  = regexp.MustCompile("`([^`]+)`")
)

func readPicture(t *testing.T) picture {
	t.Helper()
	text := architecture(t)
	drawn, legend, ok := strings.Cut(after(t, text, "\n```mermaid\ngraph LR\n"), "\n```\n")
	if !ok || strings.Contains(legend, "```mermaid") {
		t.Fatal("there is not one picture")
	}
	p := picture{map[string]string{}, map[[2]string]bool{}, map[string]bool{}, map[string]bool{}}
	boxes := map[string]bool{}
	add := func(pkg, box string) {
		p.boxOf[pkg] = box
		p.unseen[pkg] = true
	}
	for line := range strings.Lines(drawn) {
		line = strings.TrimRight(line, "\n")
		if m := box.FindStringSubmatch(line); m != nil {
			boxes[m[1]] = true
			for pkg := range strings.SplitSeq(m[2], "<br>") {
				add(pkg, m[1])
			}
		} else if m := arrows.FindStringSubmatch(line); m != nil {
			for _, at := range append(strings.Split(m[2], " & "), m[1]) {
				if !boxes[at] { // a package by itself
					add(at, at)
				}
			}
			for to := range strings.SplitSeq(m[2], " & ") {
				if e := [2]string{m[1], to}; p.edges[e] {
					t.Errorf("%s --> %s is drawn twice", e[0], e[1])
				} else {
					p.edges[e] = true
				}
			}
		} else {
			t.Fatalf("what is %q?", line)
		}
	}
	m := helpers.FindStringSubmatch(legend)
	if m == nil {
		t.Fatal("no helpers are named")
	}
	for _, h := range quoted.FindAllStringSubmatch(m[1], -1) {
		p.helpers[h[1]] = true
	}
	return p
}

// cycle returns boxes that lead to each other, nil if there are none.
func (p picture) cycle() []string {
	var path []string
	done := map[string]bool{}
	var visit func(string) []string
	visit = func(at string) []string {
		if i := slices.Index(path, at); i >= 0 {
			return append(path[i:], at)
		}
		if done[at] {
			return nil
		}
		done[at] = true
		path = append(path, at)
		defer func() { path = path[:len(path)-1] }()
		for e := range p.edges {
			if e[0] == at {
				if c := visit(e[1]); c != nil {
					return c
				}
			}
		}
		return nil
	}
	for e := range p.edges {
		if c := visit(e[0]); c != nil {
			return slices.Clone(c)
		}
	}
	return nil
}

// productImports returns, for each of our packages that are in the program, which of them it
// imports.
func productImports(t *testing.T) map[string][]string {
	all := map[string][]string{}
	for _, line := range goList(t, `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "-deps", ".") {
		f := strings.Fields(line)
		if !ours(f[0]) {
			continue
		}
		var imports []string
		for _, i := range f[1:] {
			if ours(i) {
				imports = append(imports, short(i))
			}
		}
		all[short(f[0])] = imports
	}
	if len(all) < 20 {
		t.Fatalf("the program has %d packages", len(all))
	}
	return all
}

func ours(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

// short is what the documents call a package.
func short(path string) string {
	if path == module {
		return "main.go"
	}
	return strings.TrimPrefix(path, module+"/")
}

func goList(t *testing.T, format string, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-f", format}, args...)...)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func architecture(t *testing.T) string { return document(t, "docs/architecture.md") }

func document(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func after(t *testing.T, text, begin string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, begin)
	if !ok {
		t.Fatalf("there is no %q", begin)
	}
	return rest
}

func difference(a, b []string) (only []string) {
	for _, s := range a {
		if !slices.Contains(b, s) {
			only = append(only, s)
		}
	}
	return only
}
