package fix

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// writer writes a Compose file in the style of somebody whom nobody knows.
type writer struct {
	*rand.Rand
	lines  []string
	step   int
	anchor int
	used   []string // anchors of services that others merge
}

func (w *writer) chance(percent int) bool { return w.IntN(100) < percent }

func pick[T any](w *writer, from ...T) T { return from[w.IntN(len(from))] }

// add adds a line at a depth, perhaps with what people put around lines.
func (w *writer) add(depth int, text string) {
	if w.chance(12) {
		w.lines = append(w.lines, pick(w, "", "  ", "", strings.Repeat(" ", w.step*depth)+"# über "+text,
			"# am Rand: "+strings.Repeat("long ", 40), strings.Repeat(" ", w.step*(depth+1))+"# - weiter\tinnen"))
	}
	if w.chance(12) && !strings.HasSuffix(text, "|") && !strings.HasSuffix(text, ">-") {
		text += pick(w, " # why: {a, b}", "\t# a tab", "  #", " # it's \"so\" & *so")
	}
	w.lines = append(w.lines, strings.Repeat(" ", w.step*depth)+text)
}

// key is a key as it may be spelled.
func (w *writer) key(name string) string {
	return pick(w, name, name, name, name, `"`+name+`"`, "'"+name+"'")
}

// text is a scalar as it may be spelled.
func (w *writer) text(value string) string { return pick(w, value, `"`+value+`"`, "'"+value+"'") }

// list writes a list of scalars.
func (w *writer) list(depth int, key string, values ...string) {
	switch w.IntN(4) {
	case 0:
		w.add(depth, w.key(key)+": ["+strings.Join(values, pick(w, ", ", ","))+pick(w, "]", " ]", ",]"))
	case 1:
		w.add(depth, w.key(key)+":")
		for _, v := range values { // as far in as the key
			w.add(depth, "- "+v)
		}
	case 2:
		w.add(depth, w.key(key)+": [")
		for _, v := range values {
			w.lines = append(w.lines, strings.Repeat(" ", w.step*(depth+1))+v+",")
		}
		w.lines = append(w.lines, strings.Repeat(" ", w.step*depth+1)+"]")
	default:
		w.add(depth, w.key(key)+":")
		for _, v := range values {
			w.add(depth+1, pick(w, "- ", "- ", "-   ")+v)
		}
	}
}

// service is what a service of the file has.
type service struct {
	name               string
	ports, depends     []string
	checked, restarted bool
	logged             bool
}

var shared = []string{"x-base: &base", "x-env: &env {LANG: de, TZ: 'Europe/Berlin'}"}

// generate writes a Compose file of a seed.
func generate(seed uint64) string {
	w := &writer{Rand: rand.New(rand.NewPCG(seed, 19))}
	w.step = pick(w, 2, 2, 2, 4, 4, 8, 3)
	if w.chance(20) {
		w.lines = append(w.lines, "---")
	}
	parts := []func(){w.services}
	for _, part := range []func(){w.version, w.ignored, func() {
		w.add(0, "networks: {default: {driver: bridge}}")
	}, func() { w.add(0, "volumes:"); w.add(1, "data: {}") }} {
		if w.chance(50) {
			parts = append(parts, part)
		}
	}
	w.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	w.add(0, "name: shop")
	w.add(0, shared[0])
	w.add(1, "stop_grace_period: 3s")
	w.add(1, "labels: {a: '1', \"b c\": 'ü, {'}")
	w.add(0, shared[1])
	for _, part := range parts {
		part()
	}
	if w.chance(20) {
		w.lines = append(w.lines, "", "# the end")
	}
	return w.whole()
}

// whole joins the lines.
func (w *writer) whole() string {
	eol := pick(w, "\n", "\n", "\r\n")
	text := strings.Join(w.lines, eol)
	if w.chance(8) {
		text += eol + "..."
	}
	if w.chance(75) {
		text += eol
	}
	if w.chance(10) {
		text = "\ufeff" + text
	}
	if w.chance(2) {
		text += eol + "---" + eol + "name: shop" + eol
	}
	return text
}

func (w *writer) version() { w.add(0, w.key("version")+": "+pick(w, "'3.8'", `"3"`)) }

func (w *writer) ignored() {
	switch w.IntN(3) {
	case 0:
		w.add(0, "x-compose-mage: {doctor: {ignore: {disk.layer: 'so, {it} is'}}}")
	case 1:
		w.add(0, "x-compose-mage:")
		w.add(1, "doctor: {ignore: {disk.layer: so, health.slow: it # why")
		w.lines = append(w.lines, strings.Repeat(" ", 2*w.step)+"}}")
	default:
		w.add(0, "x-compose-mage:")
		w.add(1, "doctor:")
		w.add(2, "ignore:")
		w.add(3, w.key("disk.layer")+": once it wrote")
		if w.chance(50) {
			w.add(3, "health.slow: >-")
			w.lines = append(w.lines, strings.Repeat(" ", 4*w.step)+"it is", strings.Repeat(" ", 4*w.step)+"# slow")
		}
	}
}

func (w *writer) services() {
	w.add(0, w.key("services")+":")
	names := []string{"db", "web", "api-1", "worker.x", "cache_2"}
	for i, name := range names[:2+w.IntN(4)] {
		s := service{name: name, checked: w.chance(60), restarted: w.chance(40), logged: w.chance(20)}
		if w.chance(60) {
			s.ports = append(s.ports, pick(w, w.text("15432:5432"), w.text("8080:80"), `"127.0.0.1:6379:6379"`))
			if w.chance(30) {
				s.ports = append(s.ports, w.text(fmt.Sprintf("%d:6379/tcp", 17000+i)))
			}
		}
		for _, other := range names[:i] {
			if w.chance(60) {
				s.depends = append(s.depends, other)
			}
		}
		switch {
		case w.chance(3) && i > 0 && len(w.used) > 0:
			w.add(1, name+": *"+pick(w, w.used...))
		case w.chance(25):
			w.flow(s)
		default:
			w.block(s)
		}
	}
}

// flow writes a service on a line or two.
func (w *writer) flow(s service) {
	parts := []string{"image: " + w.text("shop/"+s.name+":1")}
	if len(s.ports) > 0 {
		parts = append(parts, "ports: ["+strings.Join(s.ports, ", ")+"]")
	}
	if len(s.depends) > 0 {
		parts = append(parts, "depends_on: ["+strings.Join(s.depends, ", ")+"]")
	}
	if s.checked {
		parts = append(parts, `healthcheck: {test: [CMD, "it's", '}']}`)
	}
	if s.restarted {
		parts = append(parts, `restart: "no"`)
	}
	if w.chance(20) {
		parts = append([]string{"<<: *base"}, parts...)
	}
	if w.chance(50) {
		w.add(1, s.name+": {"+strings.Join(parts, ", ")+pick(w, "}", " }", ",}"))
		return
	}
	w.lines = append(w.lines, strings.Repeat(" ", w.step)+s.name+": { # {")
	for _, p := range parts {
		w.lines = append(w.lines, strings.Repeat(" ", 2*w.step)+p+","+pick(w, "", " # it's }", "\t#"))
	}
	w.lines = append(w.lines, strings.Repeat(" ", w.step)+"}")
}

// block writes a service in lines, its keys in any order.
func (w *writer) block(s service) {
	head := w.key(s.name) + ":"
	if w.chance(25) {
		w.anchor++
		head += fmt.Sprintf(" &s%d", w.anchor)
		if w.chance(15) {
			w.used = append(w.used, fmt.Sprintf("s%d", w.anchor))
		}
	}
	w.add(1, head)
	keys := []func(){
		func() { w.add(2, w.key("image")+": "+w.text("shop/"+s.name+":1")) },
		func() { w.environment() },
		func() { w.command() },
	}
	if w.chance(30) {
		keys = append(keys, func() { w.add(2, "<<: *base") })
	}
	if len(s.ports) > 0 {
		keys = append(keys, func() { w.list(2, "ports", s.ports...) })
	}
	if len(s.depends) > 0 {
		keys = append(keys, func() { w.depends(s.depends) })
	}
	if s.checked {
		keys = append(keys, func() {
			w.add(2, "healthcheck:")
			w.list(3, "test", "CMD", "'true'")
			w.add(3, "interval: 5s")
		})
	}
	if s.restarted {
		keys = append(keys, func() { w.add(2, w.key("restart")+`: "no"`) })
	}
	if s.logged {
		keys = append(keys, func() { w.add(2, "logging: {driver: local}") })
	}
	w.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for _, k := range keys {
		k()
	}
}

func (w *writer) depends(on []string) {
	if w.chance(60) {
		w.list(2, "depends_on", on...)
		return
	}
	w.add(2, "depends_on:")
	for _, name := range on {
		if w.chance(50) {
			w.add(3, w.key(name)+": {condition: service_started}")
			continue
		}
		w.add(3, w.key(name)+":")
		w.add(4, w.key("condition")+": "+w.text("service_started"))
		if w.chance(30) {
			w.add(4, "restart: true")
		}
	}
}

func (w *writer) environment() {
	switch w.IntN(5) {
	case 0:
		w.add(2, "environment: *env")
	case 1:
		w.add(2, "environment: {A: b, C: 'd # e', E: \"f: \\\"g\\\"\"}")
	case 2:
		w.add(2, "environment:")
		w.add(3, "<<: *env")
		w.add(3, "\"GRÜSSE\": 'it''s 日本語 🙂'")
	case 3:
		w.list(2, "environment", "A=b", "'C=d # e'")
	default:
		w.add(2, "labels: {short: x}")
	}
}

// command writes a text in lines, with what looks like something else.
func (w *writer) command() {
	inside := strings.Repeat(" ", 3*w.step)
	switch w.IntN(5) {
	case 0:
		w.add(2, "command: |")
		w.lines = append(w.lines, inside+"sh -c x", "", inside+"# restart: always", inside+"  ports: []")
	case 1:
		w.add(2, "command: >-")
		w.lines = append(w.lines, inside+"sh -c", inside+"# services: {}", "")
	case 2:
		w.lines = append(w.lines, strings.Repeat(" ", 2*w.step)+"command: |+", inside+"sh", "", "")
	case 3:
		first := strings.Repeat(" ", 2*w.step) + "command: \"sh"
		w.lines = append(w.lines, first, inside+"# no comment", "", inside+"x\"")
	default:
		w.lines = append(w.lines, strings.Repeat(" ", 2*w.step)+"command: sh -c", inside+"'a b'", inside+"c")
	}
}
