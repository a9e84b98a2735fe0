package edit

import (
	"errors"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
)

func path(text string) []string { return strings.Split(text, "/") }

var (
	restart = check.Edit{Path: path("services/a/restart"), Value: "unless-stopped"}
	logging = check.Edit{
		Path: path("services/a/logging"), Value: `{driver: json-file, options: {max-size: 10m, max-file: "3"}}`,
	}
	version = check.Edit{Path: path("version"), Delete: true}
	ignored = check.Edit{Path: path("x-compose-mage/doctor/ignore/x.y"), Delete: true}
	port    = check.Edit{Path: path("services/a/ports/0"), Value: `"127.0.0.1:5432:5432"`, Old: "5432:5432"}
	depends = check.Edit{
		Path: path("services/a/depends_on"), Old: check.Anything,
		Value: "{b: {condition: service_healthy}, c: {condition: service_started}}",
	}
	condition = check.Edit{
		Path: path("services/a/depends_on/b/condition"), Value: "service_healthy", Old: "service_started",
	}
)

// edits are texts before and after, or why the edit is not made.
var edits = map[string]struct {
	edit         check.Edit
	before, want string
}{
	"added at the end": {
		restart,
		"services:\n  a:\n    image: x\n  b: {}\n",
		"services:\n  a:\n    image: x\n    restart: unless-stopped\n  b: {}\n",
	},
	"before what belongs to the next": {
		restart, "services:\n  a:\n    image: x # y\n\n  # b is b\n  b: {}\n",
		"services:\n  a:\n    image: x # y\n    restart: unless-stopped\n\n  # b is b\n  b: {}\n",
	},
	"behind a comment that is further in": {
		restart, "services:\n    a:\n        ports:\n            - '80'\n            # - '81'\n",
		"services:\n    a:\n        ports:\n            - '80'\n            # - '81'\n" +
			"        restart: unless-stopped\n",
	},
	"behind a text that looks like comments": {
		restart, "services:\n  a:\n    command: |\n      x\n      # y\n\n\n  b: {}\n",
		"services:\n  a:\n    command: |\n      x\n      # y\n    restart: unless-stopped\n\n\n  b: {}\n",
	},
	"behind a text that keeps its empty lines": {
		restart, "services:\n  a:\n    command: |+\n      x\n\n\n  b: {}\n",
		"services:\n  a:\n    command: |+\n      x\n\n\n    restart: unless-stopped\n  b: {}\n",
	},
	"no newline at the end": {
		restart,
		"services:\n  a:\n    image: x",
		"services:\n  a:\n    image: x\n    restart: unless-stopped",
	},
	"CRLF": {
		logging, "\ufeffservices:\r\n    a:\r\n        image: ü\r\n",
		"\ufeffservices:\r\n    a:\r\n        image: ü\r\n        logging:\r\n            driver: json-file\r\n" +
			"            options:\r\n                max-size: 10m\r\n                max-file: \"3\"\r\n",
	},
	"flow": {
		restart,
		"services: {a: {image: 'x}', b: [\"{\", it's]}}\n",
		"services: {a: {image: 'x}', b: [\"{\", it's], restart: unless-stopped}}\n",
	},
	"flow in lines": {
		restart, "services:\n  a: {\n    image: x, # {\n    init: true, # }\n  }\n",
		"services:\n  a: {\n    image: x, # {\n    init: true, restart: unless-stopped # }\n  }\n",
	},
	"empty flow": {restart, "services: {a: {} }\n", "services: {a: {restart: unless-stopped} }\n"},
	"end of document": {
		restart,
		"---\nservices:\n  a:\n    image: x\n...\n",
		"---\nservices:\n  a:\n    image: x\n    restart: unless-stopped\n...\n",
	},
	"there already": {
		restart,
		"services: {a: {restart: 'unless-stopped'}}\n",
		"services: {a: {restart: 'unless-stopped'}}\n",
	},
	"an anchor of itself": {
		restart,
		"services:\n  a: &a\n    image: x\n",
		"services:\n  a: &a\n    image: x\n    restart: unless-stopped\n",
	},
	"beside a merge": {
		restart,
		"x-b: &b {image: x}\nservices:\n  a:\n    <<: *b\n",
		"x-b: &b {image: x}\nservices:\n  a:\n    <<: *b\n    restart: unless-stopped\n",
	},
	"deleted":            {version, "# old\nversion: '3' # x\n\nservices: {}\n", "# old\n\nservices: {}\n"},
	"deleted at the end": {version, "services: {}\nversion: '3'", "services: {}\n"},
	"deleted in flow":    {version, "{version: '3', services: {}}", "{services: {}}"},
	"deleted last":       {version, "{services: {}, version: '3'}", "{services: {}}"},
	"deleted with what would be empty": {
		ignored,
		"services: {}\nx-compose-mage:\n  doctor:\n    ignore:\n      # why\n      x.y: so\nvolumes: {}\n",
		"services: {}\nvolumes: {}\n",
	},
	"deleted beside another": {
		ignored,
		"x-compose-mage: {doctor: {ignore: {x.y: so, z.z: it}}}\n",
		"x-compose-mage: {doctor: {ignore: {z.z: it}}}\n",
	},
	"not there to delete": {ignored, "services: {}\n", "services: {}\n"},
	"replaced": {
		port,
		"services:\n  a:\n    ports:\n      - 5432:5432\t# x\n",
		"services:\n  a:\n    ports:\n      - \"127.0.0.1:5432:5432\"\t# x\n",
	},
	"replaced in quotes": {
		port,
		"services: {a: {ports: ['5432:5432']}}\n",
		"services: {a: {ports: ['127.0.0.1:5432:5432']}}\n",
	},
	"a list made keys": {
		depends, "services:\n  a:\n    depends_on:\n    # first\n    - b # x\n    - c\n    image: x\n",
		"services:\n  a:\n    depends_on:\n    # first\n      b: # x\n" +
			"        condition: service_healthy\n      c:\n        condition: service_started\n    image: x\n",
	},
	"a flow list made keys": {
		depends,
		"services:\n  a:\n    depends_on: [b, # x\n      'c']\n",
		"services:\n  a:\n    depends_on: {b: {condition: service_healthy}, # x\n" +
			"      'c': {condition: service_started}}\n",
	},
	"a value in a mapping": {
		condition, "services: {a: {depends_on: {b: {condition: service_started, restart: true}}}}\n",
		"services: {a: {depends_on: {b: {condition: service_healthy, restart: true}}}}\n",
	},

	"has another value": {
		port,
		"services: {a: {ports: ['80:80']}}\n",
		"!services.a.ports.0 has another value by now",
	},
	"is there with another": {restart, "services: {a: {restart: always}}\n", "!services.a.restart is there by now"},
	"used elsewhere": {
		restart,
		"services:\n  a: &a\n    image: x\n  b: *a\n",
		"!a has the anchor &a, which line 4 uses too",
	},
	"an alias": {
		restart,
		"x: &a {image: x}\nservices:\n  a: *a\n",
		"!a is the alias *a, and what it stands for may be another's too",
	},
	"merged": {
		port,
		"x: &a {ports: ['5432:5432']}\nservices:\n  a: {<<: *a}\n",
		"!ports comes from line 1 by a merge (<<)",
	},
	"several documents": {restart, "services: {a: {}}\n---\nb: 1\n", "!the file has several documents"},
	"no mapping":        {restart, "services:\n  a:\n", "!a is no mapping"},
	"not UTF-8":         {restart, "services: {a: {image: \xff}}\n", "!the file is not UTF-8"},
	"not YAML":          {restart, "services: {", "!the file does not read as YAML"},
	"deleted with a comment": {
		ignored,
		"x-compose-mage: {doctor: {ignore: {x.y: so, # why\n z.z: it}}}\n",
		"!a comment stands with x.y",
	},
	"a list of other than that": {
		depends,
		"services:\n  a:\n    depends_on:\n      - b\n",
		"!services.a.depends_on is not a list of names in lines of their own",
	},
	"a text in lines": {
		port,
		"services:\n  a:\n    ports:\n      - >-\n        5432:5432\n",
		"!services.a.ports.0 is not a value on one line",
	},
	"a named value": {
		port,
		"services:\n  a:\n    ports:\n      - &p 5432:5432\n",
		"!services.a.ports.0 has an anchor",
	},
}

func TestEdits(t *testing.T) {
	for name, c := range edits {
		got, err := Apply([]byte(c.before), c.edit)
		if why, refused := strings.CutPrefix(c.want, "!"); refused {
			var r *Refusal
			if !errors.As(err, &r) || r.Why != why {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
			continue
		}
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\ngot\n%s\nwant\n%s", name, err, got, c.want)
			continue
		}
		if again, err := Apply(got, c.edit); err != nil || string(again) != string(got) {
			t.Errorf("%s: a second time: %v\n%s", name, err, again)
		}
	}
}
