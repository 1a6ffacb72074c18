-- The user and the database that the plugin expects if nothing else is configured.

CREATE ROLE pmacct LOGIN PASSWORD 'arealsmartpwd';
CREATE DATABASE pmacct OWNER pmacct;
\connect pmacct

-- Names of IP protocols, for joins.
CREATE TABLE proto (
    num SMALLINT NOT NULL PRIMARY KEY,
    description CHAR(20)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON proto TO pmacct;
INSERT INTO proto (num, description) VALUES
    (1, 'icmp'),
    (2, 'igmp'),
    (3, 'ggp'),
    (4, 'ipencap'),
    (6, 'tcp'),
    (8, 'egp'),
    (9, 'igp'),
    (17, 'udp'),
    (18, 'mux'),
    (41, 'ipv6'),
    (43, 'ipv6-route'),
    (44, 'ipv6-frag'),
    (46, 'rsvp'),
    (47, 'gre'),
    (50, 'esp'),
    (51, 'ah'),
    (55, 'mobile'),
    (56, 'tlsp'),
    (58, 'ipv6-icmp'),
    (59, 'ipv6-nonxt'),
    (60, 'ipv6-opts'),
    (80, 'iso-ip'),
    (83, 'vines'),
    (88, 'eigrp'),
    (89, 'ospf'),
    (91, 'larp'),
    (93, 'ax.25'),
    (94, 'ipip'),
    (98, 'encap'),
    (102, 'pnni'),
    (103, 'pim'),
    (108, 'IPcomp'),
    (111, 'ipx-in-ip'),
    (112, 'vrrp'),
    (115, 'l2tp'),
    (124, 'isis'),
    (132, 'sctp'),
    (133, 'fc'),
    (143, 'ethernet'),
    (255, 'others');
