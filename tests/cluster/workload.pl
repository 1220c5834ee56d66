# workload.pl NODE FOLDER PAUSE: writes as a database would, and says on standard output what is safe.
#
# Each round appends a line "NODE ROUND" to a file of the node's own and, under a lock, to one of all nodes; both are
# synced before the round's number is printed. In between files are made, renamed and removed. Rounds are PAUSE seconds apart:
# the lock manager serves those who have had a lock before those who ask for the first time, so that many nodes without a
# pause keep some out for ever.

use strict;
use warnings;
use Errno;
use Fcntl qw(:flock);
use IO::Handle;

my ($node, $folder, $pause) = @ARGV;
STDOUT->autoflush(1);

sub append {
	my ($stream, $text) = @_;
	defined syswrite $stream, $text or die "write: $!\n";
	$stream->sync or die "fsync: $!\n";
	return;
}

open my $own, '>>', "$folder/own-$node" or die "own-$node: $!\n";
for (my $round = 1;; $round++) {
	append($own, "$node $round\n");
	open my $shared, '>>', "$folder/shared" or die "shared: $!\n";
	flock $shared, LOCK_EX or die "flock: $!\n";
	append($shared, "$node $round\n");
	close $shared or die "shared: $!\n";
	open my $new, '>', "$folder/new-$node-$round" or die "new: $!\n";
	print $new 'x' x (97 * ($round % 100)) or die "new: $!\n";
	close $new or die "new: $!\n";
	# Linux 6.1 may take a new inode for one that a node which has crashed had deleted (gfs2_inode_already_deleted: the
	# crash has set back the counter of generations, not what the lock manager remembers). The lines above are not concerned.
	rename "$folder/new-$node-$round", "$folder/old-$node-$round" or $!{ESTALE} or die "rename: $!\n";
	unlink "$folder/old-$node-" . ($round - 20);
	print "$round\n";
	select undef, undef, undef, $pause if $pause;
}
