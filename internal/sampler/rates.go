package sampler

// Between is what happened from one reading to the next of the same container. It is the zero value where one of the
// two is missing, where no time lies between them, or where the container was started anew between them: then the
// counters began again.
func Between(before, after Counters) Rates {
	seconds := after.Read.Sub(before.Read).Seconds() // by the monotonic clock where this process took both times
	if before.Read.IsZero() || after.Read.IsZero() || seconds <= 0 || after.CPUSeconds < before.CPUSeconds {
		return Rates{}
	}
	each := func(before, after int64) float64 { return float64(max(0, after-before)) / seconds }
	r := Rates{
		Seconds:      seconds,
		CPUPercent:   100 * (after.CPUSeconds - before.CPUSeconds) / seconds,
		Received:     each(before.NetworkReceived, after.NetworkReceived),
		Sent:         each(before.NetworkSent, after.NetworkSent),
		BlockRead:    each(before.BlockRead, after.BlockRead),
		BlockWritten: each(before.BlockWritten, after.BlockWritten),
	}
	if periods := after.Periods - before.Periods; periods > 0 {
		throttled := max(0, after.ThrottledPeriods-before.ThrottledPeriods)
		r.Throttled = 100 * float64(min(throttled, periods)) / float64(periods)
	}
	return r
}
