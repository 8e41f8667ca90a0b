package script

var claimChecks = []check{
	{"endclaim", checkEndClaim},
	{"endclaim/garbage", checkEndClaimGarbage},
}

func checkEndClaim(l *lab) {
	l.run("endclaim", a8, 0).is("nothing there", 0)
	l.run("endclaim", a8, hour).is("nothing there, to be prolonged", 0)
	l.is("it", l.peek().raw, "")

	l.cmd("SET", a8, "NX", "PX", minute).is("a claim", "OK")
	l.run("endclaim", w8, 0).is("by another", 0)
	l.run("endclaim", w8, hour).is("by another, to be prolonged", 0)
	l.cmd("PTTL").is("its life", about(minute))
	l.run("endclaim", a8, hour).is("prolonged", 1)
	l.cmd("PTTL").is("its life", about(hour))
	l.run("endclaim", a8, minute).is("shortened", 1)
	l.cmd("PTTL").is("its life", about(minute))
	l.run("endclaim", a8, 0).is("ended", 1)
	l.is("it", l.peek().raw, "")
	l.run("endclaim", a8, 0).is("ended once more", 0)
}

func checkEndClaimGarbage(l *lab) {
	l.cmd("RPUSH", "x").is("a list", 1)
	l.run("endclaim", a8, 0).is("over a list", 0)
	l.cmd("LLEN").is("the list", 1)
}
