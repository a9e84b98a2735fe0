package source

import (
	"testing"
)

func files(t *testing.T, texts ...string) Files {
	t.Helper()
	var all Files
	for i, text := range texts {
		f, ok := Parse(string(rune('a'+i)), []byte(text))
		if !ok {
			t.Fatalf("%q is no mapping", text)
		}
		all = append(all, f)
	}
	return all
}

func TestPlaces(t *testing.T) {
	all := files(t, `x-base: &base
  restart: always
  environment: &env
    A: "1"
services:
  web:
    <<: [*base]
    image: x
    ports: ["80", "81"]
  "db.x":
    environment: *env
`, `services:
  web:
    image: y
`)
	for want, path := range map[string][]string{
		"b:3": {"services", "web", "image"}, "a:2": {"services", "web", "restart"},
		"a:9": {"services", "web", "ports", "1"}, "a:4": {"services", "db.x", "environment", "A"},
		"b:2": {"services", "web", "nothing"}, "a:10": {"services", "db.x"}, "": {"volumes", "v"},
	} {
		if got := all.Place(path...).String(); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
	if v, at := all.Value("services", "web", "image"); v == nil || v.Value != "y" || at.String() != "b:3" {
		t.Errorf("%v at %s", v, at)
	}
	if v, _ := all.Value("services", "web", "ports", "2"); v != nil {
		t.Errorf("got %v", v)
	}
}

func TestWhatIsNoComposeFile(t *testing.T) {
	for _, text := range []string{"", "- a", "a: [", "text", "a: &a\n  <<: *a\nb: c"} {
		if f, ok := Parse("a", []byte(text)); ok {
			if _, v := Find(f.Root, "a", "z"); v != nil { // a mapping that is merged into itself ends
				t.Errorf("%q: %v", text, v)
			}
		}
	}
}
