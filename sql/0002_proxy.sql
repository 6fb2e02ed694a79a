-- People whom the web server signs in: accounts with the external_id_type 'proxy', found by their external_id, exactly.

-- A name is of one account for as long as that is in the table, so that a removed one does not come back as a fresh one.  Until now
-- nothing kept the type from being used for something else: of several equal names the oldest account keeps it.
UPDATE account SET external_id_type = 'proxy-duplicate'
 WHERE external_id_type = 'proxy'
   AND id NOT IN (SELECT min(id) FROM account WHERE external_id_type = 'proxy' GROUP BY external_id);
CREATE UNIQUE INDEX account_proxy ON account (external_id) WHERE external_id_type = 'proxy';
