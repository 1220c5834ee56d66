# workload.pl NODE FOLDER PAUSE: writes as a database would, and prints the number of each round that is safe on disk.
#
# Each round appends a line "NODE ROUND" to a file of this node and, under a lock, to a file of all nodes. Both are synced
# before the round's number is printed. In between, files are made, renamed and removed. Rounds are PAUSE seconds apart: the
# lock manager serves nodes that have had a lock before nodes that ask for the first time, so that with many nodes and no
# pause some would never get it.

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
	# Linux 6.1 may take a new inode for one that was deleted by a node that then crashed (gfs2_inode_already_deleted: the
	# crash sets back the counter of generations, but not the value in the lock manager). The lines above are not affected.
	rename "$folder/new-$node-$round", "$folder/old-$node-$round" or $!{ESTALE} or die "rename: $!\n";
	unlink "$folder/old-$node-" . ($round - 20);
	print "$round\n";
	select undef, undef, undef, $pause if $pause;
}
