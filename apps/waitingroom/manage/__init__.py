"""Pages and sockets of those who run zones, under /manage/. Nothing that a gate runs is here."""
