package alert

import (
	"time"

	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/monitor"
)

// quiet is how long ago the last of what is counted may be for the finding to hold still.
const quiet = 10 * time.Minute

// counted tells when something that is counted happened again. The finding itself holds as long as the container is
// there, and would say nothing of a second kill.
type counted struct {
	Containers map[string]numbers   `json:"containers"` // by ID; nil before the first look
	Last       map[string]time.Time `json:"last"`       // when one more was seen, by finding and service
}

// numbers are the most that was seen of one container.
type numbers struct {
	OOMKills int `json:"oom_kills"`
	Restarts int `json:"restarts"`
}

// countedIDs are the findings of what is counted.
var countedIDs = map[string]bool{"memory.killed": true, "service.restarted": true}

// add takes a look. changed says whether there is anything to keep. What had happened before the very first look is
// not told.
func (c *counted) add(s monitor.Snapshot) (changed bool) {
	first, before := c.Containers == nil, c.Containers
	c.Containers = map[string]numbers{}
	if c.Last == nil {
		c.Last = map[string]time.Time{}
	}
	for _, r := range s.Services {
		if r.ID == "" {
			continue
		}
		old, known := before[r.ID]
		now := numbers{max(old.OOMKills, r.OOMKills), max(old.Restarts, r.Restarts)}
		c.Containers[r.ID] = now
		changed = changed || now != old || !known
		if now.OOMKills > old.OOMKills && !first {
			c.Last["memory.killed "+r.Service] = s.Time
		}
		if now.Restarts > old.Restarts && !first {
			c.Last["service.restarted "+r.Service] = s.Time
		}
	}
	for k, at := range c.Last {
		if age := s.Time.Sub(at); age > quiet || age < -quiet {
			delete(c.Last, k)
			changed = true
		}
	}
	return changed
}

// sightings gives the findings of a look that are told. What is only worth knowing is not, and what is counted only
// when it has just happened.
func (c *counted) sightings(s monitor.Snapshot) sightings {
	out := sightings{map[string]finding.Finding{}, map[string]finding.Finding{}}
	pick := func(into map[string]finding.Finding, all []finding.Finding) {
		for _, f := range all {
			k := key(f)
			_, just := c.Last[k]
			if f.Severity < finding.Warning || f.ID == idUndelivered || countedIDs[f.ID] && !just {
				continue
			}
			if _, has := into[k]; !has {
				into[k] = f
			}
		}
	}
	pick(out.seen, s.Findings)
	pick(out.near, s.Nearly())
	return out
}
