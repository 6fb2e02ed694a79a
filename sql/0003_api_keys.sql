-- API keys that end by themselves, do less than their account, or work from some networks alone; and when they were last used.

ALTER TABLE credential ADD COLUMN expires           INTEGER; -- apiKey: from then on it lets nobody in; null: never
ALTER TABLE credential ADD COLUMN last_used         INTEGER; -- apiKey: when it last let somebody in, to the minute; null: never
ALTER TABLE credential ADD COLUMN last_used_address TEXT;    -- from which address that was, as the web server saw it
ALTER TABLE credential ADD COLUMN role              TEXT;    -- apiKey: readonly; null: the role of its account
ALTER TABLE credential ADD COLUMN networks          TEXT;    -- apiKey: addresses that it works from, 10.0.0.0/8 and the like, blanks between; null: all
