package parity

import (
	"encoding/json"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/schema"
	"go.yaml.in/yaml/v4"
)

// Every key of the Compose specification, and every form (short, long, list, mapping) that a key has, is in a shape
// that loads. A key that a newer compose-go adds fails here until a shape has it.
func TestShapesUseEveryKey(t *testing.T) {
	var spec map[string]any
	if err := json.Unmarshal([]byte(schema.Schema), &spec); err != nil {
		t.Fatal(err)
	}
	s := keySearch{spec: spec, used: map[string]bool{}}
	for _, shape := range readShapes(t) {
		if shape.fails {
			continue
		}
		for _, f := range shape.files {
			if !slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(f.path)) {
				continue
			}
			var document any
			if err := yaml.Unmarshal(f.content, &document); err == nil {
				s.walk("", spec, document)
			}
		}
	}
	all := map[string]bool{}
	s.collect("", spec, all)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if !s.used[key] {
			t.Errorf("no shape has %s", key)
		}
	}
	t.Logf("%d keys and forms", len(all))
}

// keySearch follows documents through a JSON schema and notes which of its properties and alternatives they use, by
// JSON pointer.
type keySearch struct {
	spec map[string]any
	used map[string]bool
}

// collect lists the pointers of all properties and alternatives below a schema.
func (s *keySearch) collect(pointer string, node map[string]any, all map[string]bool) {
	for _, key := range []string{"properties", "patternProperties", "$defs"} {
		for name, child := range mapping(node[key]) {
			at := pointer + "/" + key + "/" + name
			if key == "properties" {
				all[at] = true
			}
			s.collect(at, mapping(child), all)
		}
	}
	for _, key := range []string{"oneOf", "allOf"} {
		for i, child := range list(node[key]) {
			at := pointer + "/" + key + "/" + strconv.Itoa(i)
			if key == "oneOf" {
				all[at] = true
			}
			s.collect(at, mapping(child), all)
		}
	}
	if items := mapping(node["items"]); items != nil {
		s.collect(pointer+"/items", items, all)
	}
}

// walk notes what value uses of the schema node at pointer.
func (s *keySearch) walk(pointer string, node map[string]any, value any) {
	if ref, ok := node["$ref"].(string); ok {
		pointer = strings.TrimPrefix(ref, "#")
		s.walk(pointer, mapping(mapping(s.spec["$defs"])[path.Base(ref)]), value)
		return
	}
	for i, child := range list(node["allOf"]) {
		s.walk(pointer+"/allOf/"+strconv.Itoa(i), mapping(child), value)
	}
	for i, child := range list(node["oneOf"]) {
		if s.fits(mapping(child), value) {
			at := pointer + "/oneOf/" + strconv.Itoa(i)
			s.used[at] = true
			s.walk(at, mapping(child), value)
		}
	}
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			s.walk(pointer+"/items", mapping(node["items"]), item)
		}
	case map[string]any:
		s.walkMapping(pointer, node, v)
	}
}

func (s *keySearch) walkMapping(pointer string, node, value map[string]any) {
	properties := mapping(node["properties"])
	for key, v := range value {
		if child, ok := properties[key]; ok {
			at := pointer + "/properties/" + key
			s.used[at] = true
			s.walk(at, mapping(child), v)
			continue
		}
		for pattern, child := range mapping(node["patternProperties"]) {
			if ok, _ := regexp.MatchString(pattern, key); ok {
				s.walk(pointer+"/patternProperties/"+pattern, mapping(child), v)
			}
		}
	}
}

// fits says whether value is of the kind that the schema wants.
func (s *keySearch) fits(node map[string]any, value any) bool {
	if ref, ok := node["$ref"].(string); ok {
		return s.fits(mapping(mapping(s.spec["$defs"])[path.Base(ref)]), value)
	}
	for _, child := range list(node["oneOf"]) {
		if s.fits(mapping(child), value) {
			return true
		}
	}
	kinds := list(node["type"])
	if kind, ok := node["type"].(string); ok {
		kinds = []any{kind}
	}
	for _, kind := range kinds {
		switch value.(type) {
		case string:
			if kind == "string" {
				return true
			}
		case []any:
			if kind == "array" {
				return true
			}
		case map[string]any:
			if kind == "object" {
				return true
			}
		case nil:
			if kind == "null" {
				return true
			}
		case bool:
			if kind == "boolean" {
				return true
			}
		case int, float64:
			if kind == "number" || kind == "integer" {
				return true
			}
		}
	}
	return false
}

func mapping(v any) map[string]any { m, _ := v.(map[string]any); return m }

func list(v any) []any { l, _ := v.([]any); return l }
