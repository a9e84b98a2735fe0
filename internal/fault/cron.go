package fault

// NoCrontab says whether an error of the crontab command says that the user has none yet: cronie and Debian's cron
// have one wording for that, busybox another.
func NoCrontab(err error) bool {
	return err != nil && containsAny(err.Error(), "no crontab for", "No such file or directory")
}
