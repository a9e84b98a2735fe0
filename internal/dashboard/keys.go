package dashboard

import (
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"github.com/25eloquence/compose-mage/internal/monitor"
)

// maxFilter is how long a filter may be, in bytes: no service has a longer name.
const maxFilter = 64

// press changes the model by a key.
func (m *model) press(msg tea.KeyPressMsg) []effect {
	pressed := msg.String()
	switch {
	case pressed == "ctrl+c":
		return m.leave()
	case pressed == "ctrl+z":
		return []effect{{do: suspend}}
	case m.restart.asked != "":
		return m.answer(pressed)
	case m.typing:
		m.typed(msg)
		return nil
	}
	if m.move(pressed) {
		return nil
	}
	return m.command(pressed)
}

func (m *model) command(pressed string) []effect {
	switch pressed {
	case "q":
		return m.leave()
	case "esc":
		return m.back()
	case "enter":
		if _, ok := m.replica(); ok && m.screen == table {
			m.show(detail)
			return m.enter()
		}
	case "tab", "shift+tab":
		if m.screen == detail {
			m.step(map[string]int{"tab": 1, "shift+tab": -1}[pressed])
			m.offset = 0
			return m.enter()
		}
	case "l":
		return m.toggleLog()
	case "r":
		if r, ok := m.replica(); ok && !m.restart.running && (m.screen == table || m.screen == detail) {
			m.restart = restartPane{asked: r.Service}
		}
	case "s":
		m.sort = (m.sort + 1) % len(sorts)
	case "S":
		m.reverse = !m.reverse
	case "/":
		m.show(table)
		m.typing = true
		return m.closeLog()
	case "f":
		m.show(findings)
		return m.closeLog()
	case "?":
		m.show(help)
		return m.closeLog()
	}
	return nil
}

func (m *model) show(s screen) { m.screen, m.offset = s, 0 }

// leave ends the view. While a restart runs it asks first, then gives the restart up and ends with it; whoever asks a
// third time does not wait for that.
func (m *model) leave() []effect {
	switch {
	case !m.restart.running, m.restart.ending:
		return []effect{{do: quit}}
	case m.restart.asked == "":
		m.restart.asked = m.restart.service
		return nil
	}
	m.restart.asked, m.restart.ending = "", true
	return []effect{{do: endRestart}}
}

// answer takes the answer to the question that is on the screen.
func (m *model) answer(pressed string) []effect {
	service := m.restart.asked
	if m.restart.running { // the question is whether to give it up
		if pressed == "y" || pressed == "q" {
			return m.leave()
		}
		m.restart.asked = ""
		return nil
	}
	m.restart = restartPane{}
	if pressed != "y" {
		return nil
	}
	m.restart = restartPane{service: service, running: true}
	return []effect{{do: restart, service: service}}
}

// back goes one step back: from what a restart said, from a log, to the table, from a filter.
func (m *model) back() []effect {
	switch {
	case m.restart.service != "" && !m.restart.running:
		m.restart = restartPane{}
	case m.log.id != "":
		return m.closeLog()
	case m.screen != table:
		m.show(table)
		m.keepChosen()
	case m.filter != "":
		m.filter = ""
		m.keepChosen()
	}
	return nil
}

func (m *model) toggleLog() []effect {
	if m.log.id != "" {
		return m.closeLog()
	}
	r, ok := m.replica()
	if !ok || r.ID == "" || m.screen != table && m.screen != detail {
		return nil
	}
	m.show(detail)
	m.log = logPane{id: r.ID}
	return append(m.enter(), effect{do: readLog, id: r.ID})
}

func (m *model) closeLog() []effect {
	if m.log.id == "" {
		return nil
	}
	m.log = logPane{}
	return []effect{{do: leaveLog}}
}

// typed changes the filter.
func (m *model) typed(msg tea.KeyPressMsg) {
	switch pressed := msg.String(); pressed {
	case "enter":
		m.typing = false
	case "esc":
		m.typing, m.filter = false, ""
	case "backspace":
		_, size := utf8.DecodeLastRuneInString(m.filter)
		m.filter = m.filter[:len(m.filter)-size]
	case "ctrl+u":
		m.filter = ""
	case "up", "down":
		m.move(pressed)
	default:
		if len(m.filter)+len(msg.Text) <= maxFilter {
			m.filter += msg.Text
		}
	}
	m.keepChosen()
}

// move follows a key that moves something; false where it is none.
func (m *model) move(pressed string) bool {
	page := max(1, m.height-5)
	by := 0
	switch pressed {
	case "up", "k":
		by = -1
	case "down", "j":
		by = 1
	case "pgup":
		by = -page
	case "pgdown", "space":
		by = page
	case "home", "g":
		by = -1 << 20
	case "end", "G":
		by = 1 << 20
	default:
		return false
	}
	switch {
	case m.log.id != "":
		m.log.up = min(max(0, m.log.up-by), max(0, len(m.log.lines)-1))
	case m.screen == table:
		m.step(by)
	default:
		m.offset = min(max(0, m.offset+by), max(0, len(m.scrolled())-m.body()))
	}
	return true
}

// step selects another row.
func (m *model) step(by int) {
	rows := m.rows()
	if len(rows) == 0 {
		return
	}
	at := 0
	for i, r := range rows {
		if key(r) == m.chosen {
			at = i
		}
	}
	m.chosen = key(rows[min(max(0, at+by), len(rows)-1)])
}

// matches says whether the filter lets a container through.
func (m *model) matches(r monitor.Replica) bool {
	if m.filter == "" {
		return true
	}
	text := strings.ToLower(r.Service + " " + r.Container + " " + r.StateText())
	return strings.Contains(text, strings.ToLower(m.filter))
}
