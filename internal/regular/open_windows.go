package regular

// nonBlocking is nothing here: there are no pipes among files.
const nonBlocking = 0

func wouldBlock(error) bool { return false }
