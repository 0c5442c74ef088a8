echo script $1
